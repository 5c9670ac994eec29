import type {
  AcquireAnswer,
  AcquireRequest,
  BatchAnswer,
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
  SessionSnapshot,
  StoreContext,
} from "../database.js";
import { StoreError } from "../../errors.js";
import type { OpenConnection, ScriptConnection, ScriptName } from "./connection.js";
import type { RedisKeys } from "./keys.js";
import { parseLease, parseSession } from "./records.js";
import { toStoreError } from "./redis-errors.js";
import { acquireAnswer, acquireArguments, GrantChannel, modeWord, parsePush } from "./redis-waiting.js";

/**
 * The longest pause before the next try to connect, ms: who comes back late is taken for dead by who came back first.
 */
const RECONNECT_MS_MAX = 250;

type Element = [status: string, ...rest: string[]];
type Failed = { status: "error"; error: Error };

/** The main thread's connection: one at a time, opened again with a higher generation whenever it breaks. */
export class RedisLeases implements LeaseStore {
  readonly #openConnection: OpenConnection;
  readonly #keys: RedisKeys;
  readonly #context: StoreContext;
  #connection: ScriptConnection | undefined;
  #generation = 0;
  #lastError = new StoreError("unreachable", "Redis: not connected yet");
  #waiters = new Set<{ resolve(): void; reject(error: Error): void }>();
  #grants: GrantChannel | undefined;
  #isUp = false;
  #closed = false;

  constructor(open: OpenConnection, keys: RedisKeys, context: StoreContext) {
    this.#openConnection = open;
    this.#keys = keys;
    this.#context = context;
    this.#open();
  }

  async acquire(identity: Identity, batch: readonly AcquireRequest[]): Promise<BatchAnswer<AcquireAnswer>> {
    const channel = batch.some(({ wait }) => wait) ? this.#listen(identity.lockerId) : "";
    const args = [channel, this.#monoMs(), ...batch.flatMap(acquireArguments)];
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
    const head = [this.#context.clock.freshId(10), recoveryMs, this.#generation, lockerId];
    const args = [...head, ...batch.flatMap((r) => [r.leaseNumber, r.keepMs ?? 0])];
    const reply = (await this.#run("release", keys, args)) as unknown as (Element | string)[];
    if (reply[0] === "generation") return { status: "generation" };
    const answers = (reply as Element[]).map(([status, a], i): ReleaseAnswer => {
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
        for (const waiter of [...this.#waiters]) waiter.resolve();
        this.#context.onUp?.();
      },
      () => {}, // onClose tells it
    );
  }

  /** The channel of this locker, heard on this connection from now on; a caller that hears nothing has none. */
  #listen(lockerId: string): string {
    if (!this.#context.onPush || !this.#connection || !this.#isUp) return "";
    this.#grants ??= new GrantChannel(this.#keys.grants(lockerId));
    return this.#grants.use(this.#connection);
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
  #reconnect: { cancel(): void } | undefined;

  async #batch<Request extends { key: string }, Answer>(
    name: ScriptName,
    identity: Identity,
    batch: readonly Request[],
    args: (string | number)[],
    parse: (key: string, element: Element) => Answer | Failed,
    more: (key: string) => string[] = () => [],
  ): Promise<BatchAnswer<Answer | Failed>> {
    const keys = [
      this.#keys.namespace,
      this.#keys.session(identity.sessionId),
      ...batch.flatMap(({ key }) => [this.#keys.lease(key), ...more(key)]),
    ];
    const { era, sessionId, lockerId, recoveryMs } = identity;
    const head = [this.#context.clock.freshId(10), recoveryMs, this.#generation, era, sessionId, lockerId];
    const [status, , ...elements] = (await this.#run(name, keys, [...head, ...args])) as unknown as [
      string,
      string,
      ...Element[],
    ];
    if (status !== "ok") return { status: status as "condemned" | "era" | "generation" };
    return { status, answers: elements.map((element, i) => orError(() => parse(batch[i]!.key, element))) };
  }

  async #run(name: ScriptName, keys: readonly string[], args: readonly (string | number)[]): Promise<string[]> {
    return (await this.#use().run(name, keys, args)) as string[];
  }

  #use(): ScriptConnection {
    if (!this.#connection || !this.#isUp) throw this.#lastError;
    return this.#connection;
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
