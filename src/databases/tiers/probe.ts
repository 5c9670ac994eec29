import type { Clock } from "../../clock.js";
import type { LivenessConnection, LivenessEvents } from "../database.js";

/** The least time between two tries to connect, ms. */
const RETRY_MS = 1_000;

/** Looks whether Redis is there while it is not in use. Whatever it answers to a ping: it runs our scripts. */
export class Probe {
  readonly #open: (events: LivenessEvents) => LivenessConnection;
  readonly #clock: Clock;
  readonly #onSight: (sees: boolean) => void;
  #connection: LivenessConnection | undefined;
  #isAsking = false;
  #openedMs = -Infinity;
  #closed = false;

  constructor(open: (events: LivenessEvents) => LivenessConnection, clock: Clock, onSight: (sees: boolean) => void) {
    this.#open = open;
    this.#clock = clock;
    this.#onSight = onSight;
  }

  look(): void {
    const nowMs = this.#clock.monoMs();
    if (this.#closed || this.#isAsking) return;
    if (!this.#connection && nowMs - this.#openedMs < RETRY_MS) return;
    if (!this.#connection) {
      this.#openedMs = nowMs;
      const connection = this.#open({ onPush: () => {}, onClose: () => this.#drop(connection) });
      this.#connection = connection;
    }
    void this.#ask(this.#connection);
  }

  close(): void {
    this.#closed = true;
    this.#connection?.close();
  }

  async #ask(connection: LivenessConnection): Promise<void> {
    this.#isAsking = true;
    try {
      await connection.ready;
      await connection.ping({ sessionId: "probe", era: "", recoveryMs: 0, clockStepped: false });
      if (!this.#closed) this.#onSight(true);
    } catch {
      if (!this.#closed) this.#onSight(false); // why does not matter: it is not in use
    } finally {
      this.#isAsking = false;
    }
  }

  #drop(connection: LivenessConnection): void {
    if (this.#connection === connection) this.#connection = undefined;
    if (!this.#closed) this.#onSight(false);
  }
}
