import type {
  BeginRequest,
  LivenessConnection,
  LivenessEvents,
  PingAnswer,
  PingRequest,
  StoreContext,
} from "../database.js";
import type { OpenConnection, PostgresConnection } from "./connection.js";
import { escapeText, parsePing } from "./records.js";

/** How often a process asks whether it is its turn to remove what nobody needs, ms. */
const COLLECT_MS = 60_000;

/** One connection of the worker thread: pings, the session's channel, and the lock that tells that it is there. */
export class PostgresLiveness implements LivenessConnection {
  readonly ready: Promise<void>;
  readonly #connection: PostgresConnection;
  readonly #context: StoreContext;
  /** The session that it listens for. */
  #listensTo = "";
  #collectAtMs: number;

  constructor(open: OpenConnection, context: StoreContext, events: LivenessEvents) {
    const { clock } = context;
    this.#context = context;
    this.#collectAtMs = clock.monoMs() + clock.random() * COLLECT_MS;
    this.#connection = open(clock, { onMessage: () => events.onPush(), onClose: (cause) => events.onClose(cause) });
    this.ready = this.#connection.ready;
  }

  /** Through a pooler nobody hears anything, and a lock would be that of whoever comes next. */
  async listen(sessionId: string): Promise<boolean> {
    if (this.#connection.isPooled) return false;
    const before = this.#listensTo === sessionId ? "" : this.#listensTo;
    await this.#connection.call("listen", ["c", sessionId, before]);
    this.#listensTo = sessionId;
    return true;
  }

  async begin(r: BeginRequest): Promise<PingAnswer> {
    const whole = [r.sessionTtlMs, r.disconnectGraceMs, r.pingIntervalMs].map(Math.ceil);
    const limits = [...whole, Math.floor(r.driftMs)]; // on the safe side of each
    const { bootId, pidNamespace, timeNamespace, startTime } = r.proofs;
    const labels = escapeText(JSON.stringify(r.labels));
    const facts = [escapeText(r.host), r.pid, labels, [bootId, pidNamespace, timeNamespace, startTime].map(escapeText)];
    const who = [this.#context.clock.freshId(10), r.recoveryMs, r.sessionId, r.mode, r.era, this.#monoMs()];
    const listens = this.#listensTo !== "";
    return parsePing(await this.#connection.call("begin", [...who, listens, ...limits, ...facts]));
  }

  async ping(r: PingRequest): Promise<PingAnswer> {
    const who = [this.#context.clock.freshId(10), r.recoveryMs, r.sessionId, r.era, this.#monoMs()];
    const asked = this.#connection.call("ping", [...who, r.clockStepped]);
    this.#collect();
    return parsePing(await asked);
  }

  async goodbye(sessionId: string): Promise<void> {
    await this.#connection.call("goodbye", [sessionId]);
  }

  close(): void {
    this.#connection.close();
  }

  /** A chore: whether it was done matters to nobody now, and a connection that fails tells so by its end. */
  #collect(): void {
    const nowMs = this.#context.clock.monoMs();
    if (nowMs < this.#collectAtMs) return;
    this.#collectAtMs = nowMs + COLLECT_MS;
    this.#connection.call("collect", []).catch(() => {});
  }

  #monoMs(): number {
    return Math.floor(this.#context.clock.monoMs());
  }
}
