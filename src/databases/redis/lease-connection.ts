import type { StoreContext } from "../database.js";
import { StoreError } from "../../errors.js";
import type { OpenConnection, ScriptConnection } from "./connection.js";
import type { RedisKeys } from "./keys.js";
import { GrantChannel } from "./redis-waiting.js";
import { parsePush } from "../words.js";

/**
 * The longest pause before the next try to connect, ms: who comes back late is taken for dead by who came back first.
 */
const RECONNECT_MS_MAX = 250;

/** The main thread's connection: one at a time, opened again with a higher generation whenever it breaks. */
export class LeaseConnection {
  readonly #openConnection: OpenConnection;
  readonly #keys: RedisKeys;
  readonly #context: StoreContext;
  #connection: ScriptConnection | undefined;
  #generation = 0;
  #lastError = new StoreError("unreachable", "Redis: not connected yet");
  #waiters = new Set<{ resolve(): void; reject(error: Error): void }>();
  #grants: GrantChannel | undefined;
  /** Who has listened: on the next connection it does so unasked, as its jobs may be told to stop. */
  #lockerId: string | undefined;
  #isUp = false;
  #closed = false;
  #reconnect: { cancel(): void } | undefined;

  constructor(open: OpenConnection, keys: RedisKeys, context: StoreContext) {
    this.#openConnection = open;
    this.#keys = keys;
    this.#context = context;
    this.#open();
  }

  get generation(): number {
    return this.#generation;
  }

  /** What can be asked now. */
  use(): ScriptConnection {
    if (!this.#connection || !this.#isUp) throw this.#lastError;
    return this.#connection;
  }

  /** The channel of this locker, heard on this connection from now on; a caller that hears nothing has none. */
  listen(lockerId: string): string {
    this.#lockerId = lockerId;
    if (!this.#context.onPush || !this.#connection || !this.#isUp) return "";
    this.#grants ??= new GrantChannel(this.#keys.grants(lockerId));
    return this.#grants.use(this.#connection);
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
    this.#connection?.close();
  }

  #open(): void {
    this.#generation += 1;
    const connection = this.#openConnection(this.#context.clock, {
      onClose: (cause) => this.#onClose(cause),
      onMessage: (_channel, message) => this.#onPush(message),
    });
    this.#grants = undefined;
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

  #onPush(message: string): void {
    const push = parsePush(message);
    if (push) this.#context.onPush?.(push);
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
