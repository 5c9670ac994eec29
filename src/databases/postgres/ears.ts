import type { Clock } from "../../clock.js";
import { RECONNECT_MS_MAX } from "../reopened.js";
import type { OpenConnection, PostgresConnection } from "./connection.js";

/** Where a locker's main thread hears what it is told: on its connection, or behind a pooler on one of its own. */
export class Ears {
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
