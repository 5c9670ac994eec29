import type {
  AcquireAnswer,
  AcquireRequest,
  BatchAnswer,
  BlockedRequest,
  CondemnAnswer,
  CondemnRequest,
  Identity,
  LeaseAnswer,
  LeaseRecord,
  LeaseStore,
  ReassertRequest,
  ReleaseAnswer,
  ReleaseRequest,
  RenewRequest,
  RevokeAnswer,
  RevokeRequest,
  SessionSnapshot,
  StoreContext,
  WaitingTask,
} from "../database.js";
import { Reopened } from "../reopened.js";
import type { OpenConnection, PostgresConnection } from "./connection.js";
import { Ears } from "./ears.js";
import { acquireAnswer, acquireValues, modeValues, Pushes, releaseAnswer, revokeAnswer } from "./postgres-waiting.js";
import { escapeText, leaseAnswer, parseSession, refusal, toLeases, unescapeText, type Element } from "./records.js";

/** For how long it is believed that a task waits, ms; its poll says so again. */
const BLOCKED_MS = 60_000;
/** More than any connection has been up. */
const LONG_MS = 2 ** 40;

type Values = Parameters<PostgresConnection["call"]>[1];

/** The main thread's door. Each verb is one statement, and a batch its arrays. */
export class PostgresLeases implements LeaseStore {
  readonly #link: Reopened<PostgresConnection, boolean | Promise<boolean>>;
  readonly #ears: Ears;
  readonly #context: StoreContext;
  readonly #pushes: Pushes;

  constructor(open: OpenConnection, openDirect: OpenConnection | undefined, context: StoreContext) {
    this.#context = context;
    this.#pushes = new Pushes((push) => context.onPush?.(push));
    const onMessage = (words: string) => this.#pushes.hear(words);
    this.#ears = new Ears(openDirect, context.clock, onMessage);
    this.#link = new Reopened("PostgreSQL", context, {
      open: (onClose) => open(context.clock, { onClose, onMessage }),
      // A caller that hears nothing does not ask
      listen: (main, lockerId) => context.onPush !== undefined && this.#ears.listen(main, lockerId),
    });
  }

  async acquire(identity: Identity, batch: readonly AcquireRequest[]): Promise<BatchAnswer<AcquireAnswer>> {
    const listens = this.#link.listen(identity.lockerId); // who holds a key may be asked to give it back
    const isHeard = typeof listens === "boolean" ? listens : await listens;
    const values = [...this.#who(identity), isHeard, this.#monoMs(), ...acquireValues(batch)];
    const [status, nowMs, elements] = await this.#batch("acquire", values);
    if (status !== "ok") return { status };
    this.#pushes.answered(batch, elements!, nowMs);
    return { status, answers: elements!.map((element, i) => acquireAnswer(batch[i]!, element)) };
  }

  renew(identity: Identity, batch: readonly RenewRequest[]): Promise<BatchAnswer<LeaseAnswer>> {
    return this.#judge("renew", identity, batch, []);
  }

  reown(identity: Identity, batch: readonly RenewRequest[]): Promise<BatchAnswer<LeaseAnswer>> {
    return this.#judge("reown", identity, batch, []);
  }

  reassert(identity: Identity, batch: readonly ReassertRequest[]): Promise<BatchAnswer<LeaseAnswer>> {
    const atMs = batch.map((r) => r.acquiredAtMs);
    const rest = [batch.map((r) => r.lastToken), batch.map((r) => escapeText(r.trace))];
    return this.#judge("reassert", identity, batch, [atMs, ...modeValues(batch), ...rest]);
  }

  async release(identity: Identity, batch: readonly ReleaseRequest[]): Promise<BatchAnswer<ReleaseAnswer>> {
    const { recoveryMs, sessionId, lockerId } = identity;
    const head = [this.#context.clock.freshId(10), recoveryMs, this.#link.generation, sessionId, lockerId];
    const keepMs = batch.map((r) => Math.ceil(r.keepMs ?? 0));
    this.#pushes.forget(batch);
    const [status, , elements] = await this.#batch("release", [...head, keysOf(batch), numbersOf(batch), keepMs]);
    if (status !== "ok") return { status };
    return { status, answers: elements!.map((element, i) => releaseAnswer(batch[i]!.key, element)) };
  }

  async readHolders(key: string): Promise<LeaseRecord[]> {
    return holdersOf(key, JSON.parse((await this.#call("read_holders", [escapeText(key)]))!) as Element);
  }

  async readSession(sessionId: string, contender: Identity): Promise<SessionSnapshot> {
    const values = [sessionId, contender.sessionId, this.#monoMs()];
    return parseSession(sessionId, await this.#call("read_session", values));
  }

  async condemn(contender: Identity, request: CondemnRequest): Promise<CondemnAnswer> {
    const { clock } = this.#context;
    const reply = await this.#call("condemn", [
      clock.freshId(10),
      contender.recoveryMs,
      contender.era,
      request.sessionId,
      contender.sessionId,
      request.proof,
      this.#monoMs(),
      Math.floor(Math.min(LONG_MS, request.brokenAgoMs)),
      Math.ceil(request.contenderSessionTtlMs),
      Math.ceil(request.tombstoneMs),
    ]);
    const [status, reason] = JSON.parse(reply!) as string[];
    return (reason ? { status, reason } : { status }) as CondemnAnswer;
  }

  async writeTombstones(contender: Identity, sessionIds: readonly string[], keepMs: number): Promise<void> {
    const { recoveryMs, era } = contender;
    await this.#call("tombstone", [this.#context.clock.freshId(10), recoveryMs, era, sessionIds, Math.ceil(keepMs)]);
  }

  async revoke(identity: Identity, request: RevokeRequest): Promise<RevokeAnswer> {
    const { recoveryMs, era } = identity;
    const head = [this.#context.clock.freshId(10), recoveryMs, this.#link.generation, era, identity.sessionId];
    const { sessionId, key, leaseNumber, fencingToken, force } = request;
    const values = [...head, this.#monoMs(), sessionId, escapeText(key), leaseNumber, fencingToken, force];
    const [status, , elements] = await this.#batch("revoke", values);
    return status === "ok" ? revokeAnswer(key, elements![0]!) : { status };
  }

  async markBlocked({ leaseIds, waits }: BlockedRequest): Promise<void> {
    const { ticket, waiter, key } = waits ?? {};
    const wait = [ticket ?? null, waiter ?? null, key === undefined ? null : escapeText(key)];
    await this.#call("mark_blocked", [leaseIds, ...wait, BLOCKED_MS]);
  }

  async readWaiting(leaseId: string): Promise<WaitingTask | undefined> {
    const reply = await this.#call("read_waiting", [leaseId]);
    if (reply === null) return undefined;
    const [name, waiter, ticket, isQueued, held] = JSON.parse(reply) as [string, string, number, boolean, Element];
    const key = unescapeText(name);
    return { key, waiter, ticket, isQueued, holders: holdersOf(key, held) };
  }

  async tellDeadlock(waiter: string): Promise<void> {
    const end = waiter.lastIndexOf("#");
    await this.#call("tell", [waiter.slice(0, end), `deadlock ${waiter.slice(end + 1)}`]);
  }

  whenUp(signal: AbortSignal): Promise<void> {
    return this.#link.whenUp(signal);
  }

  close(): void {
    this.#link.close();
    this.#ears.close();
  }

  async #judge(
    name: string,
    identity: Identity,
    batch: readonly RenewRequest[],
    more: Values,
  ): Promise<BatchAnswer<LeaseAnswer>> {
    const ttls = batch.map((r) => Math.ceil(r.lockTtlMs));
    const elements = [keysOf(batch), numbersOf(batch), batch.map((r) => r.fencingToken), ttls, ...more];
    const [status, , answers] = await this.#batch(name, [...this.#who(identity), ...elements]);
    if (status !== "ok") return { status };
    return { status, answers: answers!.map((element, i) => leaseAnswer(batch[i]!.key, element)) };
  }

  #who({ era, sessionId, lockerId, recoveryMs }: Identity): (string | number)[] {
    return [this.#context.clock.freshId(10), recoveryMs, this.#link.generation, era, sessionId, lockerId];
  }

  async #batch(name: string, values: Values): Promise<Reply> {
    return JSON.parse((await this.#call(name, values))!) as Reply;
  }

  #call(name: string, values: Values): Promise<string | null> {
    return this.#link.use().call(name, values);
  }

  #monoMs(): number {
    return Math.floor(this.#context.clock.monoMs());
  }
}

type Reply =
  | [status: "ok", nowMs: number, elements: Element[]]
  | [status: "condemned" | "era" | "generation", nowMs: number, elements?: undefined];

const keysOf = (batch: readonly { key: string }[]): string[] => batch.map((r) => escapeText(r.key));
const numbersOf = (batch: readonly { leaseNumber: number }[]): number[] => batch.map((r) => r.leaseNumber);

function holdersOf(key: string, [status, told]: Element): LeaseRecord[] {
  if (status === "error") throw refusal(key, told);
  return toLeases(key, told);
}
