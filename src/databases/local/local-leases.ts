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
  StorePush,
  WaitingTask,
} from "../database.js";
import { acquire } from "./acquire.js";
import { condemn } from "./condemn.js";
import type { DoorDeps } from "./door.js";
import { LeaseDoor } from "./lease-door.js";
import { markBlocked, readHolders, readWaiting, tellDeadlock } from "./read-holders.js";
import { readSession } from "./read-session.js";
import { reassert } from "./reassert.js";
import { grantsChannel, type PushRow } from "./records.js";
import { release } from "./release.js";
import { renew, reown } from "./renew.js";
import { revoke } from "./revoke.js";
import type { Step } from "./step.js";
import { tombstone } from "./tombstone.js";

/** So often it looks whether there is a push: for who is first, for others that wait, for who only holds, ms. */
const WATCH_MS = { first: 2, queued: 10, held: 25 };

/** The main thread's door: each operation is one step. */
export class LocalLeases implements LeaseStore {
  readonly #door: LeaseDoor;
  readonly #rule: typeof acquire;
  readonly #context: StoreContext;
  /** What may bring a push, by lease number: the pace of looking for one depends on it. */
  readonly #stages = new Map<number, keyof typeof WATCH_MS>();

  /** `rule`: what is granted to whom. */
  constructor(deps: DoorDeps, context: StoreContext, rule: typeof acquire = acquire) {
    this.#rule = rule;
    this.#context = context;
    this.#door = new LeaseDoor(deps, { ...context, onPush: (push) => this.#onPush(push) });
  }

  async acquire(identity: Identity, batch: readonly AcquireRequest[]): Promise<BatchAnswer<AcquireAnswer>> {
    const monoMs = this.#monoMs();
    const channel = this.#context.onPush ? grantsChannel(identity.lockerId) : "";
    if (channel !== "") this.#door.listen(channel); // who holds a key may be asked to give it back
    const result = await this.#run((step) => this.#rule(step, identity, batch, { monoMs, channel }));
    if (result.status === "ok") result.answers.forEach((answer, i) => this.#note(batch[i]!.leaseNumber, answer));
    return result;
  }

  renew(identity: Identity, batch: readonly RenewRequest[]): Promise<BatchAnswer<LeaseAnswer>> {
    return this.#run((step) => renew(step, identity, batch));
  }

  reown(identity: Identity, batch: readonly RenewRequest[]): Promise<BatchAnswer<LeaseAnswer>> {
    return this.#run((step) => reown(step, identity, batch));
  }

  reassert(identity: Identity, batch: readonly ReassertRequest[]): Promise<BatchAnswer<LeaseAnswer>> {
    return this.#run((step) => reassert(step, identity, batch));
  }

  async release(identity: Identity, batch: readonly ReleaseRequest[]): Promise<BatchAnswer<ReleaseAnswer>> {
    const result = await this.#run((step) => release(step, identity, batch));
    for (const { leaseNumber } of batch) this.#stages.delete(leaseNumber);
    this.#watch();
    return result;
  }

  readHolders(key: string): Promise<LeaseRecord[]> {
    return this.#run((step) => readHolders(step, key));
  }

  revoke(identity: Identity, request: RevokeRequest): Promise<RevokeAnswer> {
    const monoMs = this.#monoMs();
    return this.#run((step) => revoke(step, identity, request, monoMs));
  }

  markBlocked(request: BlockedRequest): Promise<void> {
    return this.#run((step) => markBlocked(step, request));
  }

  readWaiting(leaseId: string): Promise<WaitingTask | undefined> {
    return this.#run((step) => readWaiting(step, leaseId));
  }

  tellDeadlock(waiter: string): Promise<void> {
    return this.#run((step) => tellDeadlock(step, waiter));
  }

  readSession(sessionId: string, contender: Identity): Promise<SessionSnapshot> {
    const monoMs = this.#monoMs();
    return this.#run((step) => readSession(step, sessionId, contender, monoMs));
  }

  condemn(contender: Identity, request: CondemnRequest): Promise<CondemnAnswer> {
    const monoMs = this.#monoMs();
    return this.#run((step) => condemn(step, contender, { ...request, monoMs }));
  }

  writeTombstones(contender: Identity, sessionIds: readonly string[], keepMs: number): Promise<void> {
    return this.#run((step) => tombstone(step, contender, sessionIds, keepMs));
  }

  whenUp(signal: AbortSignal): Promise<void> {
    return this.#door.whenUp(signal);
  }

  close(): void {
    this.#door.close();
  }

  #run<T>(work: (step: Step) => T): Promise<T> {
    return this.#door.run(work);
  }

  #note(leaseNumber: number, answer: AcquireAnswer): void {
    if (answer.status === "granted") this.#stages.set(leaseNumber, "held");
    else if (answer.status === "queued") this.#stages.set(leaseNumber, answer.isFirst ? "first" : "queued");
    this.#watch();
  }

  #onPush(push: PushRow): void {
    if (push.kind === "hint") return;
    if (push.kind === "granted") this.#stages.set(push.leaseNumber, "held");
    if (push.kind === "first" && this.#stages.has(push.leaseNumber)) this.#stages.set(push.leaseNumber, "first");
    this.#watch();
    this.#context.onPush?.(push satisfies StorePush);
  }

  #watch(): void {
    const paces = new Set(this.#stages.values());
    const stage = (["first", "queued", "held"] as const).find((one) => paces.has(one));
    this.#door.watch(stage && WATCH_MS[stage]);
  }

  #monoMs(): number {
    return Math.floor(this.#context.clock.monoMs());
  }
}
