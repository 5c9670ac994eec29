import type { Clock } from "../../clock.js";
import type { StoreError } from "../../errors.js";
import { closeDoor, collectPushes, KEEP_DOOR_MS, openDoor } from "./doors.js";
import type { DoorRow, PushRow } from "./records.js";
import type { Step } from "./step.js";

/** A backend's part: one connection to its records. It is not mended: when it closes, the next one is opened. */
export interface LocalConnection {
  /** Resolves once usable; rejects with a StoreError when it never came to that. */
  readonly ready: Promise<void>;
  /** Steps are executed in the order in which they are asked for. Rejects with a StoreError: then nothing was done. */
  run<T>(work: (step: Step) => T): Promise<T>;
  /** Whether there is a push for that door. */
  hasPushes(doorId: string): boolean;
  /** Looks every so many ms whether others changed something, and calls onChange; undefined: not at all. */
  watch(everyMs: number | undefined): void;
  /** With a last step, if it can be done at once. */
  close(last?: (step: Step) => void): void;
}

export type LocalEvents = { onChange(): void; onClose(cause: StoreError): void };
export type OpenConnection = (clock: Clock, events: LocalEvents) => LocalConnection;

/** What the doors of a database are made with. */
export type DoorDeps = { open: OpenConnection; process: DoorRow };

const NONE: readonly PushRow[] = [];

/** One connection that listens to one channel. Pushes come in order with the answers to what was asked. */
export class Door {
  readonly ready: Promise<void>;
  readonly #id: string;
  readonly #clock: Clock;
  readonly #process: DoorRow;
  readonly #connection: LocalConnection;
  readonly #onPush: (push: PushRow) => void;
  #channel = "";
  #saidAtMs = -Infinity;
  #isClosed = false;

  constructor(
    { open, process }: DoorDeps,
    clock: Clock,
    events: { onPush(push: PushRow): void; onClose(cause: StoreError): void },
  ) {
    this.#id = clock.freshId(10);
    this.#clock = clock;
    this.#process = process;
    this.#onPush = (push) => events.onPush(push);
    this.#connection = open(clock, { onChange: () => this.#onChange(), onClose: (cause) => events.onClose(cause) });
    this.ready = this.#connection.ready;
  }

  run<T>(work: (step: Step) => T): Promise<T> {
    let pushes: readonly PushRow[] = NONE;
    const ran = this.#connection.run((step) => {
      pushes = this.#collect(step);
      return work(step);
    });
    const onDone = (result: T) => {
      for (const push of pushes) this.#onPush(push); // before the answer: they were there when it was asked for
      return result;
    };
    return ran.then(onDone, (cause: unknown) => {
      this.#saidAtMs = -Infinity; // the row of this door may be among what was taken back
      throw cause;
    });
  }

  /** From the next step on, or from this one when it is called in a step. */
  listen(channel: string, step: Step): void {
    if (this.#channel !== "" && this.#channel !== channel) closeDoor(step, this.#channel, this.#id);
    this.#channel = channel;
    this.#saidAtMs = -Infinity;
    this.#sayAgain(step);
  }

  watch(everyMs: number | undefined): void {
    this.#connection.watch(everyMs);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const channel = this.#channel;
    this.#connection.close(channel === "" ? undefined : (step) => closeDoor(step, channel, this.#id));
  }

  #collect(step: Step): readonly PushRow[] {
    if (this.#channel === "") return NONE;
    this.#sayAgain(step);
    return collectPushes(step, this.#id);
  }

  /** Rows of doors end by themselves. */
  #sayAgain(step: Step): void {
    const nowMs = this.#clock.monoMs();
    if (nowMs - this.#saidAtMs < KEEP_DOOR_MS / 4) return;
    this.#saidAtMs = nowMs;
    openDoor(step, this.#channel, this.#id, this.#process);
  }

  #onChange(): void {
    if (this.#isClosed || this.#channel === "" || !this.#connection.hasPushes(this.#id)) return;
    this.run(() => undefined).catch(() => {}); // it is told with the next step, or by the connection's end
  }
}
