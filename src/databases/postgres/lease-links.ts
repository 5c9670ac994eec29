import type { Clock } from "../../clock.js";
import type { StoreContext } from "../database.js";
import { StoreError } from "../../errors.js";
import type { ConnectionEvents, PostgresConnection } from "./connection.js";

export type OpenConnection = (clock: Clock, events: ConnectionEvents) => PostgresConnection;

/**
 * The longest pause before the next try to connect, ms: who comes back late is taken for dead by who came back first.
 */
const RECONNECT_MS_MAX = 250;

/** The main thread's connection: one at a time, opened again with a higher generation whenever it breaks. */
export class LeaseLinks {
  readonly #openConnection: OpenConnection;
  readonly #context: StoreContext;
  readonly #ears: Ears;
  #connection: PostgresConnection | undefined;
  #generation = 0;
  /** Who has listened: on the next connection it does so unasked, as its jobs may be told to stop. */
  #lockerId: string | undefined;
  #lastError = new StoreError("unreachable", "PostgreSQL: not connected yet");
  #waiters = new Set<{ resolve(): void; reject(error: Error): void }>();
  #isUp = false;
  #closed = false;
  #reconnect: { cancel(): void } | undefined;

  /** `openDirect`: a connection past any pooler, to listen on where the main one cannot. */
  constructor(
    open: OpenConnection,
    openDirect: OpenConnection | undefined,
    context: StoreContext,
    onMessage: (words: string) => void,
  ) {
    this.#openConnection = open;
    this.#context = context;
    this.#ears = new Ears(openDirect, context.clock, onMessage);
    this.#open();
  }

  get generation(): number {
    return this.#generation;
  }

  /** What can be asked now. */
  use(): PostgresConnection {
    if (!this.#connection || !this.#isUp) throw this.#lastError;
    return this.#connection;
  }

  /** Whether this locker hears what it is told, from now on; a caller that hears nothing does not ask. */
  listen(lockerId: string): boolean | Promise<boolean> {
    this.#lockerId = lockerId;
    return this.#context.onPush !== undefined && this.#ears.listen(this.use(), lockerId);
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
    this.#ears.close();
  }

  #open(): void {
    this.#generation += 1;
    const connection = this.#openConnection(this.#context.clock, {
      onClose: (cause) => this.#onClose(cause),
      onMessage: (words) => this.#ears.onMessage(words),
    });
    this.#connection = connection;
    connection.ready.then(
      () => {
        if (this.#closed || this.#connection !== connection) return;
        this.#isUp = true;
        if (this.#lockerId !== undefined) void this.listen(this.#lockerId);
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

/** Where a locker's main thread hears what it is told: on its connection, or behind a pooler on one of its own. */
class Ears {
  readonly onMessage: (words: string) => void;
  readonly #openDirect: OpenConnection | undefined;
  readonly #clock: Clock;
  /** The connection that listens, or has been asked to. */
  #connection: PostgresConnection | undefined;
  /** Of a connection of its own: how its first try ended, and whether it hears now. */
  #first: Promise<boolean> | undefined;
  #hears = false;
  #closed = false;
  #retry: { cancel(): void } | undefined;

  constructor(openDirect: OpenConnection | undefined, clock: Clock, onMessage: (words: string) => void) {
    this.#openDirect = openDirect;
    this.#clock = clock;
    this.onMessage = onMessage;
  }

  /** Whether what `main` is asked next may say that this locker listens. Only the first connection is waited for. */
  listen(main: PostgresConnection, lockerId: string): boolean | Promise<boolean> {
    if (!main.isPooled) {
      if (this.#connection === main) return true;
      this.#connection = main;
      // Not waited for: statements are executed in the order in which they are sent
      this.#ask(main, lockerId).catch((cause: unknown) => main.close(cause)); // else it would be told, and never hear
      return true;
    }
    if (!this.#openDirect) return false;
    if (this.#hears) return true;
    const isFirst = !this.#first;
    this.#first ??= this.#open(lockerId);
    return isFirst ? this.#first : false;
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    if (this.#first) this.#connection?.close();
  }

  async #open(lockerId: string): Promise<boolean> {
    const connection = this.#openDirect!(this.#clock, {
      onMessage: this.onMessage,
      onClose: () => {
        this.#hears = false;
        if (this.#closed) return;
        this.#retry = this.#clock.timer(this.#clock.random() * RECONNECT_MS_MAX, () => void this.#open(lockerId));
      },
    });
    this.#connection = connection;
    try {
      await connection.ready;
      if (!connection.isPooled) await this.#ask(connection, lockerId);
      this.#hears = !connection.isPooled;
    } catch (cause) {
      connection.close(cause); // and is opened again
    }
    return this.#hears;
  }

  async #ask(connection: PostgresConnection, lockerId: string): Promise<void> {
    await connection.call("listen", ["g", lockerId, ""]);
  }
}
