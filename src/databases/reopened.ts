import type { StoreContext } from "./database.js";
import { StoreError } from "../errors.js";

/**
 * The longest pause before the next try to connect, ms: who comes back late is taken for dead by who came back first.
 */
export const RECONNECT_MS_MAX = 250;

type Closable = { readonly ready: Promise<void>; close(): void };

export type Opening<Connection, Heard> = {
  open(onClose: (cause: StoreError) => void): Connection;
  /** Has what that locker is told heard on this connection; in the words of the store, how it is to be told. */
  listen(connection: Connection, lockerId: string): Heard;
};

/** The main thread's connection: one at a time, opened again with a higher generation whenever it breaks. */
export class Reopened<Connection extends Closable, Heard> {
  readonly #opening: Opening<Connection, Heard>;
  readonly #context: StoreContext;
  #connection: Connection | undefined;
  #generation = 0;
  #lastError: StoreError;
  #waiters = new Set<{ resolve(): void; reject(error: Error): void }>();
  #lockerId: string | undefined;
  #isUp = false;
  #closed = false;
  #reconnect: { cancel(): void } | undefined;

  constructor(store: string, context: StoreContext, opening: Opening<Connection, Heard>) {
    this.#opening = opening;
    this.#context = context;
    this.#lastError = new StoreError("unreachable", `${store}: not connected yet`);
    this.#open();
  }

  get generation(): number {
    return this.#generation;
  }

  /** What can be asked now. */
  use(): Connection {
    if (!this.#connection || !this.#isUp) throw this.#lastError;
    return this.#connection;
  }

  /** From now on, and on each later connection unasked: jobs that ask for nothing any more may be told to stop. */
  listen(lockerId: string): Heard {
    this.#lockerId = lockerId;
    return this.#opening.listen(this.use(), lockerId);
  }

  whenUp(signal: AbortSignal): Promise<void> {
    if (this.#isUp) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => () => {
        this.#waiters.delete(waiter);
        signal.removeEventListener("abort", onAbort);
        act();
      };
      const onAbort = () => waiter.reject(this.#lastError);
      const waiter = { resolve: settle(resolve), reject: (error: Error) => settle(() => reject(error))() };
      this.#waiters.add(waiter);
      if (signal.aborted || this.#closed) onAbort();
      else signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  close(): void {
    this.#closed = true;
    this.#reconnect?.cancel();
    this.#connection?.close();
  }

  #open(): void {
    this.#generation += 1;
    const connection = this.#opening.open((cause) => this.#onClose(cause));
    this.#connection = connection;
    connection.ready.then(
      () => {
        if (this.#closed || this.#connection !== connection) return;
        this.#isUp = true;
        if (this.#lockerId !== undefined) this.listen(this.#lockerId);
        for (const waiter of [...this.#waiters]) waiter.resolve();
        this.#context.onUp?.();
      },
      () => {}, // onClose tells it
    );
  }

  #onClose(cause: StoreError): void {
    this.#isUp = false;
    this.#connection = undefined;
    this.#lastError = cause;
    this.#context.onDown?.(cause);
    // Lasting ones are told at once: waiting does not mend a wrong password.
    for (const waiter of [...this.#waiters]) if (this.#closed || cause.isLasting) waiter.reject(cause);
    if (this.#closed) return;
    const { clock } = this.#context;
    this.#reconnect?.cancel();
    this.#reconnect = clock.timer(clock.random() * RECONNECT_MS_MAX, () => this.#closed || this.#open());
  }
}
