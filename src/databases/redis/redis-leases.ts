import type {
  AcquireAnswer,
  AcquireRequest,
  BatchAnswer,
  BlockedNote,
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
import { StoreError } from "../../errors.js";
import { Reopened } from "../reopened.js";
import { lockerOf, parsePush } from "../words.js";
import type { OpenConnection, ScriptConnection, ScriptName } from "./connection.js";
import type { RedisKeys } from "./keys.js";
import { parseLease, parseSession } from "./records.js";
import { toStoreError } from "./redis-errors.js";
import { acquireAnswer, acquireArgument, GrantChannel, modeWord, revokeAnswer } from "./redis-waiting.js";

/** For how long it is believed that a task waits, ms; its poll says so again. */
const BLOCKED_MS = 60_000;

type Element = [status: string, ...rest: string[]];
type Failed = { status: "error"; error: Error };

/** The main thread's connection: one at a time, opened again with a higher generation whenever it breaks. */
export class RedisLeases implements LeaseStore {
  readonly #link: Reopened<ScriptConnection, string>;
  /** On the present connection. */
  #grants: GrantChannel | undefined;
  readonly #keys: RedisKeys;
  readonly #context: StoreContext;

  constructor(open: OpenConnection, keys: RedisKeys, context: StoreContext) {
    this.#keys = keys;
    this.#context = context;
    this.#link = new Reopened("Redis", context, {
      open: (onClose) => {
        this.#grants = undefined;
        return open(context.clock, { onClose, onMessage: (_channel, words) => this.#onPush(words) });
      },
      // Its channel; a caller that hears nothing has none
      listen: (connection, lockerId) => {
        if (!context.onPush) return "";
        this.#grants ??= new GrantChannel(keys.grants(lockerId));
        return this.#grants.use(connection);
      },
    });
  }

  async acquire(identity: Identity, batch: readonly AcquireRequest[]): Promise<BatchAnswer<AcquireAnswer>> {
    const channel = this.#link.listen(identity.lockerId); // who holds a key may be asked to give it back
    const args = [channel, this.#monoMs(), ...batch.map(acquireArgument)];
    return this.#batch("acquire", identity, batch, args, acquireAnswer, (key) => [this.#keys.queue(key)]);
  }

  renew(identity: Identity, batch: readonly RenewRequest[]): Promise<BatchAnswer<LeaseAnswer>> {
    const args = batch.flatMap((r) => [r.leaseNumber, r.fencingToken, r.lockTtlMs]);
    return this.#batch("renew", identity, batch, args, leaseAnswer);
  }

  reown(identity: Identity, batch: readonly RenewRequest[]): Promise<BatchAnswer<LeaseAnswer>> {
    const args = batch.flatMap((r) => [r.leaseNumber, r.fencingToken, r.lockTtlMs]);
    return this.#batch("reown", identity, batch, args, leaseAnswer);
  }

  reassert(identity: Identity, batch: readonly ReassertRequest[]): Promise<BatchAnswer<LeaseAnswer>> {
    const args = batch.flatMap((r) => [
      ...[r.leaseNumber, r.fencingToken, r.lockTtlMs, r.acquiredAtMs, modeWord(r), r.lastToken, r.trace],
    ]);
    return this.#batch("reassert", identity, batch, args, leaseAnswer);
  }

  async release(identity: Identity, batch: readonly ReleaseRequest[]): Promise<BatchAnswer<ReleaseAnswer>> {
    const names = this.#keys;
    const elements = batch.flatMap(({ key }) => [names.lease(key), names.queue(key)]);
    const keys = [names.namespace, names.session(identity.sessionId), ...elements];
    const { recoveryMs, lockerId } = identity;
    const head = [this.#context.clock.freshId(10), recoveryMs, this.#link.generation, lockerId];
    const args = [...head, ...batch.map((r) => `${r.leaseNumber} ${r.keepMs ?? 0}`)];
    const reply = (await this.#run("release", keys, args)) as unknown as (Element | string)[];
    if (reply[0] === "generation") return { status: "generation" };
    const answers = reply.map((element, i): ReleaseAnswer => {
      if (element === "released") return { status: element };
      const [status, a] = element as Element;
      const { key } = batch[i]!;
      if (status === "other") return orError(() => ({ status, lease: parseLease(key, a!) }));
      if (status === "released" || status === "absent") return { status };
      return { status: "error", error: toStoreError(new Error(a), JSON.stringify(key)) };
    });
    return { status: "ok", answers };
  }

  async readHolders(key: string): Promise<LeaseRecord[]> {
    const keys = [this.#keys.lease(key), this.#keys.queue(key)];
    const [, ...holders] = await this.#run("read-holders", keys, ["", ""]);
    return holders.map((raw) => parseLease(key, raw));
  }

  async readSession(sessionId: string, contender: Identity): Promise<SessionSnapshot> {
    const keys = [this.#keys.session(sessionId), this.#keys.session(contender.sessionId)];
    const args = [this.#keys.channel(sessionId), this.#monoMs()];
    return parseSession(sessionId, await this.#run("read-session", keys, args));
  }

  async condemn(contender: Identity, request: CondemnRequest): Promise<CondemnAnswer> {
    const { namespace } = this.#keys;
    const keys = [namespace, this.#keys.session(request.sessionId), this.#keys.session(contender.sessionId)];
    const [status, reason] = (await this.#run("condemn", keys, [
      this.#context.clock.freshId(10),
      contender.recoveryMs,
      contender.era,
      this.#keys.channel(request.sessionId),
      request.proof ? 1 : 0,
      this.#monoMs(),
      Math.floor(request.brokenAgoMs),
      request.contenderSessionTtlMs,
      request.tombstoneMs,
    ])) as string[];
    return (reason ? { status, reason } : { status }) as CondemnAnswer;
  }

  async writeTombstones(contender: Identity, sessionIds: readonly string[], keepMs: number): Promise<void> {
    const keys = [this.#keys.namespace, ...sessionIds.map((id) => this.#keys.session(id))];
    await this.#run("tombstone", keys, [this.#context.clock.freshId(10), contender.recoveryMs, contender.era, keepMs]);
  }

  async revoke(identity: Identity, request: RevokeRequest): Promise<RevokeAnswer> {
    const { sessionId, leaseNumber, fencingToken, force } = request;
    const [names, lockerId] = [this.#keys, lockerOf(sessionId)];
    const channels = [names.grants(lockerId), names.channel(sessionId)];
    const args = [this.#monoMs(), sessionId, lockerId, leaseNumber, fencingToken, ...channels, force ? 1 : 0];
    const parse = (key: string, element: Element): RevokeAnswer => revokeAnswer(key, element);
    const holder = (): string[] => [names.session(sessionId)];
    const result = await this.#batch<RevokeRequest, RevokeAnswer>("revoke", identity, [request], args, parse, holder);
    return result.status === "ok" ? result.answers[0]! : result;
  }

  async markBlocked({ leaseIds, waits }: BlockedRequest): Promise<void> {
    const words = waits ? `${waits.ticket} ${waits.waiter} ${waits.key}` : "";
    const keys = leaseIds.map((id) => this.#keys.blocked(id));
    await this.#run("blocked", keys, [words, BLOCKED_MS]);
  }

  async readWaiting(leaseId: string): Promise<WaitingTask | undefined> {
    const note = await this.readBlocked(leaseId);
    return note && this.readQueued(note);
  }

  async readBlocked(leaseId: string): Promise<BlockedNote | undefined> {
    const words = await this.#link.use().get(this.#keys.blocked(leaseId));
    const match = words === null ? null : /^(\d+) (\S+) ([^]*)$/.exec(words);
    if (!match) return undefined;
    const [ticket, waiter, key] = match.slice(1) as [string, string, string];
    return { key, waiter, ticket: Number(ticket) };
  }

  async readQueued({ key, waiter, ticket }: BlockedNote): Promise<WaitingTask> {
    const keys = [this.#keys.lease(key), this.#keys.queue(key)];
    const [isQueued, ...holders] = await this.#run("read-holders", keys, [waiter, ticket]);
    return { key, waiter, ticket, isQueued: isQueued === "1", holders: holders.map((raw) => parseLease(key, raw)) };
  }

  async tellDeadlock(waiter: string): Promise<void> {
    const end = waiter.lastIndexOf("#");
    const channel = this.#keys.grants(waiter.slice(0, end));
    await this.#run("tell", [], [channel, `deadlock ${waiter.slice(end + 1)}`]);
  }

  whenUp(signal: AbortSignal): Promise<void> {
    return this.#link.whenUp(signal);
  }

  close(): void {
    this.#link.close();
  }

  async #batch<Request extends { key: string }, Answer, Words = Element>(
    name: ScriptName,
    identity: Identity,
    batch: readonly Request[],
    args: (string | number)[],
    parse: (key: string, element: Words) => Answer | Failed,
    more: (key: string) => string[] = () => [],
  ): Promise<BatchAnswer<Answer | Failed>> {
    const keys = [
      this.#keys.namespace,
      this.#keys.session(identity.sessionId),
      ...batch.flatMap(({ key }) => [this.#keys.lease(key), ...more(key)]),
    ];
    const { era, sessionId, lockerId, recoveryMs } = identity;
    const head = [this.#context.clock.freshId(10), recoveryMs, this.#link.generation, era, sessionId, lockerId];
    const [status, , ...elements] = (await this.#run(name, keys, [...head, ...args])) as unknown as [
      string,
      string,
      ...Words[],
    ];
    if (status !== "ok") return { status: status as "condemned" | "era" | "generation" };
    return { status, answers: elements.map((element, i) => orError(() => parse(batch[i]!.key, element))) };
  }

  async #run(name: ScriptName, keys: readonly string[], args: readonly (string | number)[]): Promise<string[]> {
    return (await this.#link.use().run(name, keys, args)) as string[];
  }

  #onPush(words: string): void {
    const push = parsePush(words);
    if (push) this.#context.onPush?.(push);
  }

  #monoMs(): number {
    return Math.floor(this.#context.clock.monoMs());
  }
}

function leaseAnswer(key: string, [status, a]: Element): LeaseAnswer {
  if (status === "held") return { status };
  if (status === "lost") return { status, lease: a ? parseLease(key, a) : undefined };
  return { status: "error", error: toStoreError(new Error(a), JSON.stringify(key)) };
}

/** A record that cannot be read is the answer for its own key, and none of the other keys of the batch. */
function orError<Answer>(read: () => Answer): Answer | Failed {
  try {
    return read();
  } catch (error) {
    if (error instanceof StoreError) return { status: "error", error };
    throw error;
  }
}
