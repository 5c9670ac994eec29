import type { Timer } from "../../clock.js";
import { StoreError } from "../../errors.js";
import type { StoreContext } from "../database.js";
import { Door, type DoorDeps } from "./door.js";
import type { PushRow } from "./records.js";
import type { Step } from "./step.js";

/** The longest pause before the next try to open, ms. */
const REOPEN_MS_MAX = 250;

type Context = Omit<StoreContext, "onPush"> & { onPush(push: PushRow): void };

/** The main thread's door: one at a time, opened again whenever it breaks. */
export class LeaseDoor {
  readonly #deps: DoorDeps;
  readonly #context: Context;
  #door: Door | undefined;
  #isUp = false;
  #isClosed = false;
  #channel = "";
  #isListening = false;
  #watchMs: number | undefined;
  #lastError = new StoreError("unreachable", "the store is not open yet");
  #reopen: Timer | undefined;
  readonly #waiters = new Set<{ resolve(): void; reject(error: Error): void }>();

  constructor(deps: DoorDeps, context: Context) {
    this.#deps = deps;
    this.#context = context;
    this.#open();
  }

  run<T>(work: (step: Step) => T): Promise<T> {
    const door = this.#door;
    if (!door || !this.#isUp) return Promise.reject(this.#lastError);
    return door.run((step) => {
      if (!this.#isListening && this.#channel !== "") {
        door.listen(this.#channel, step);
        this.#isListening = true;
      }
      return work(step);
    });
  }

  /** From the next step on, on this door and those that follow it. */
  listen(channel: string): void {
    this.#channel = channel;
  }

  watch(everyMs: number | undefined): void {
    if (this.#watchMs === everyMs) return;
    this.#watchMs = everyMs;
    this.#door?.watch(everyMs);
  }

  whenUp(signal: AbortSignal): Promise<void> {
    if (this.#isUp) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        this.#waiters.delete(waiter);
        signal.removeEventListener("abort", onAbort);
        act();
      };
      const onAbort = () => waiter.reject(this.#lastError);
      const waiter = {
        resolve: () => settle(resolve),
        reject: (error: Error) => settle(() => reject(error)),
      };
      this.#waiters.add(waiter);
      if (signal.aborted || this.#isClosed) onAbort();
      else signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#isUp = false;
    this.#lastError = new StoreError("unreachable", "the store was closed");
    this.#reopen?.cancel();
    this.#door?.close();
    for (const waiter of this.#waiters) waiter.reject(this.#lastError);
  }

  #open(): void {
    const door = new Door(this.#deps, this.#context.clock, {
      onPush: (push) => this.#context.onPush(push),
      onClose: (cause) => this.#onClose(door, cause),
    });
    this.#door = door;
    this.#isListening = false;
    door.ready.then(
      () => {
        if (this.#isClosed || this.#door !== door) return;
        this.#isUp = true;
        door.watch(this.#watchMs);
        for (const waiter of [...this.#waiters]) waiter.resolve();
        this.#context.onUp?.();
      },
      () => {}, // onClose tells it
    );
  }

  #onClose(door: Door, cause: StoreError): void {
    if (this.#isClosed || this.#door !== door) return;
    this.#isUp = false;
    this.#door = undefined;
    this.#lastError = cause;
    this.#context.onDown?.(cause);
    // Lasting ones are told at once: waiting does not mend them.
    for (const waiter of [...this.#waiters]) if (cause.isLasting) waiter.reject(cause);
    const { clock } = this.#context;
    this.#reopen?.cancel();
    this.#reopen = clock.timer(clock.random() * REOPEN_MS_MAX, () => this.#isClosed || this.#open());
  }
}
