import type { Clock, Timer } from "../src/clock.js";
import type { FromWorker } from "../src/liveness-protocol.js";
import type { LivenessConnection, LivenessEvents } from "../src/databases/database.js";

/** A connection, and what is under way on it. */
export type Link = {
  connection: LivenessConnection;
  isUp: boolean;
  /** Since when the store owes an answer (or the connection its opening), monotonic ms. */
  owedSinceMs: number | undefined;
  /** The session whose channel this connection listens to. */
  listensTo: string | undefined;
};

/**
 * The longest pause before the next try to connect, ms: who comes back late is taken for dead by who came back first.
 */
const RECONNECT_MS_MAX = 250;

/** What is said when a connection may not listen to its session's channel. */
export const CANNOT_LISTEN = {
  type: "warning",
  code: "denied",
  message:
    "The user has no right to its session's channel (see README, ACL), so peers cannot see whether this process is " +
    "connected: they find it dead after sessionTtlMs, not after disconnectGraceMs",
} as const satisfies FromWorker;

export type LinkEvents = {
  onUp(link: Link): void;
  onPush(): void;
  onBreak(cause: Error): void;
};

/**
 * The worker's connection, and the second one that is opened while the first does not answer: whichever answers stays.
 */
export class Links {
  readonly #open: (events: LivenessEvents) => LivenessConnection;
  readonly #clock: Clock;
  readonly #events: LinkEvents;
  #links: Link[] = [];
  #reopen: Timer | undefined;
  #closed = false;

  constructor(open: (events: LivenessEvents) => LivenessConnection, clock: Clock, events: LinkEvents) {
    this.#open = open;
    this.#clock = clock;
    this.#events = events;
  }

  get all(): readonly Link[] {
    return this.#links;
  }

  /** Opens the first connection, or the second when the first has owed an answer for so long. */
  keep(patienceMs: number): void {
    if (this.#closed || this.#reopen || this.#links.length >= 2) return;
    const owedSinceMs = this.#links[0]?.owedSinceMs;
    const isLate = owedSinceMs !== undefined && this.#clock.monoMs() - owedSinceMs >= patienceMs;
    if (this.#links.length === 0 || isLate) this.#add();
  }

  /** This one answered: the other is not needed. */
  choose(link: Link): void {
    const others = this.#links.filter((other) => other !== link);
    this.#links = this.#links.filter((kept) => kept === link); // first: a connection closed on purpose has not broken
    for (const other of others) other.connection.close();
  }

  close(): void {
    this.#closed = true;
    this.#reopen?.cancel();
    const links = this.#links;
    this.#links = [];
    for (const link of links) link.connection.close();
  }

  #add(): void {
    const connection = this.#open({
      onPush: () => this.#events.onPush(),
      onClose: (cause) => this.#drop(link, cause),
    });
    const link: Link = { connection, isUp: false, owedSinceMs: this.#clock.monoMs(), listensTo: undefined };
    this.#links.push(link);
    connection.ready.then(
      () => {
        if (!this.#links.includes(link)) return;
        link.isUp = true;
        link.owedSinceMs = undefined;
        this.#events.onUp(link);
      },
      (cause: Error) => this.#drop(link, cause),
    );
  }

  #drop(link: Link, cause: Error): void {
    if (!this.#links.includes(link)) return;
    this.#links = this.#links.filter((kept) => kept !== link);
    this.#events.onBreak(cause);
    if (this.#closed || this.#links.length > 0) return;
    this.#reopen = this.#clock.timer(this.#clock.random() * RECONNECT_MS_MAX, () => {
      this.#reopen = undefined;
      this.keep(0);
    });
  }
}
