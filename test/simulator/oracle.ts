// Who sees everything: judges what the lockers say by what the store did, exactly, since nothing in a simulated world
// happens between two instants that could be confused.

import type { Violation } from "../history/history.js";
import { PREFIX } from "./prefix.js";
import { GrantOracle, type HeldSomewhere } from "./grant-oracle.js";
import type { Look } from "./look.js";
import { QueueOracle } from "./queue-oracle.js";
import { RevokeOracle } from "./revoke-oracle.js";
import { WaitGraph } from "./wait-graph.js";
import { lockerOf, type ModeSeen } from "./records-seen.js";
import type { World } from "./world.js";

export type { HeldSomewhere } from "./grant-oracle.js";

type SessionSeen = {
  pingedMs: number;
  ttlMs: number;
  graceMs: number;
  pid: number;
  /** By what the store remembers; the next: at any time. */
  condemned: boolean;
  wasCondemned: boolean;
  hasLeft: boolean;
};

/** How far a silence measured by the store's clock may differ from the real one: driftMs of the limits in use. */
const DRIFT_MS = 100;
/** Scripts a process and second above which somebody asks without a pause. */
const SCRIPTS_A_SECOND_MAX = 400;

/** What the simulation knows that the store does not. */
export interface Facts {
  /** Whether the process with that pid runs (stopped or not). */
  isAlive(pid: number): boolean;
  /** Whether no living session may be condemned and no lease lost: the store is the only one that has trouble. */
  readonly isGentle: boolean;
  /** The leases of all processes that run, stopped ones included. */
  held(): Iterable<HeldSomewhere>;
}

type Texts = readonly string[];
type LostLease = { readonly wasBelieved: boolean; readonly leaseId: string };

export class Oracle {
  readonly violations: Violation[] = [];
  readonly counts = {
    scripts: 0,
    grants: 0,
    handOffs: 0,
    checks: 0,
    yes: 0,
    condemned: 0,
    losses: 0,
    revoked: 0,
    deadlocks: 0,
  };
  /** Who waits for what while it holds what. */
  readonly waits: WaitGraph;
  readonly #world: World;
  readonly #facts: Facts;
  readonly #grants: GrantOracle;
  readonly #queues: QueueOracle;
  readonly #revoked: RevokeOracle;
  readonly #sessions = new Map<string, SessionSeen>();
  #second = { atMs: 0, scripts: new Map<string, number>() };

  readonly #trace: ((line: string) => void) | undefined;

  constructor(world: World, facts: Facts, trace?: (line: string) => void) {
    this.#world = world;
    this.#facts = facts;
    this.#trace = trace;
    const report = (rule: string, what: string, key?: string) => this.report(rule, what, key);
    this.#grants = new GrantOracle(report, { nowMs: () => world.nowMs, held: () => facts.held() });
    this.#queues = new QueueOracle(report);
    this.#revoked = new RevokeOracle(report, () => world.nowMs);
    this.waits = new WaitGraph(report, () => world.nowMs);
  }

  trace(text: string): void {
    this.#trace?.(`${this.#world.nowMs.toFixed(2).padStart(10)} ${text}`);
  }

  report(rule: string, what: string, key?: string): void {
    this.trace(`VIOLATION ${rule}: ${what}`);
    this.violations.push({ rule, what, atMs: this.#world.nowMs, ...(key === undefined ? {} : { key }) });
  }

  /** After every script, with what it answered and what it did. */
  onScript(name: string, keys: Texts, args: Texts, reply: unknown, look?: Look): void {
    this.counts.scripts += 1;
    this.#countRate(keys[1] ?? keys[0]!);
    const answer = reply as string[];
    if (this.#trace) this.trace(`${name} ${keys.slice(1).join(" ")} | ${args.join(" ")} -> ${JSON.stringify(reply)}`);
    if (look && look.changes.length > 0) this.#onLeases(name, keys[1]!, reply, look);
    if (name === "begin") this.#onBegin(keys[1]!, args, answer);
    else if (name === "ping") this.#onPing(keys[1]!, answer);
    else if (name === "goodbye") this.#onGoodbye(keys[0]!);
    else if (name === "revoke") this.#revoked.onScript(lockerOfKey(keys[1]!), keys, args, reply);
    else if (name === "condemn" && answer[0] === "condemned") this.#onCondemned(keys[1]!, answer[1]!);
  }

  /** A job was given the lease. */
  handed(who: string, key: string, token: number, mode: ModeSeen = "exclusive"): void {
    this.#grants.handed(who, key, token, mode);
  }

  /** The locker says that the lease is held, now. */
  yes(who: string, key: string, token: number, mode: ModeSeen = "exclusive", leaseId?: string): void {
    this.counts.yes += 1;
    this.#grants.yes(who, key, token, mode);
    if (leaseId !== undefined) this.#revoked.yes(who, leaseId);
  }

  /** What `revoke()` answered, which was called then. */
  onRevoked(pid: number, key: string, status: string, calledAtMs: number): void {
    if (status !== "free") this.counts.revoked += 1;
    this.trace(`revoke of ${key}: ${status}`);
    this.#revoked.onAnswer(this.lockerOf(pid) ?? "", key, status, calledAtMs);
  }

  /** `wasBelieved`: it was not within the margin of its end, up to which it had last been renewed. */
  lost(who: string, key: string, code: string, { wasBelieved, leaseId }: LostLease): void {
    this.counts.losses += 1;
    this.trace(`${who} lost ${key}: ${code}`);
    if (code === "revoked") this.#revoked.lost(who, key, leaseId);
    // After lockTtlMs without an answer, or without a beat, the store has forgotten the lease: that end is the promise.
    // One revoked by force may be found lost by a judgement that had another reason, and bears the code of that.
    else if (["unreachable", "expired"].includes(code) || this.#revoked.mayBeTaken(leaseId)) return;
    else if (this.#facts.isGentle && wasBelieved)
      this.report("L4", `${who} lost ${key} (${code}), though only the store had trouble`, key);
  }

  /** Looks at the keys in the calm, which began then, again and again. */
  watch(look: Look, calmSinceMs: number): void {
    for (const change of look.changes) this.#queues.watch(change, look, this.#world.nowMs);
    this.#revoked.watch(this.#facts.held(), calmSinceMs);
    this.waits.watch();
  }

  /** Nobody waits any more. */
  findForgotten(look: Look, lives: (lockerId: string) => boolean): void {
    this.#queues.findForgotten(look, lives);
  }

  /** The locker whose sessions began in that process. */
  lockerOf(pid: number): string | undefined {
    const [session] = [...this.#sessions].find(([, seen]) => seen.pid === pid) ?? [];
    return session && lockerOfKey(session);
  }

  /** Grants are learnt from what is written down, whichever script did it. */
  #onLeases(script: string, sessionKey: string, reply: unknown, look: Look): void {
    const caller = { script, lockerId: lockerOfKey(sessionKey) };
    const lasts = toldBlocks(reply, look.told);
    const isRefused = (reply as unknown[])[0] === "generation";
    for (const message of look.told) this.trace(`  told ${message}`);
    for (const change of look.changes) {
      this.#queues.before(change);
      const granted = new Set<string>();
      for (const holder of this.#grants.newHolders(change, look)) {
        const isNew = this.#grants.onGrant(holder, change, look, lasts);
        granted.add(holder.leaseId);
        if (script === "reassert") continue;
        this.#revoked.onGrant(holder.leaseId);
        if (!isNew) continue;
        this.counts.grants += 1;
        if (lockerOf(holder.leaseId) !== caller.lockerId) this.counts.handOffs += 1;
        this.#queues.onGrant(holder, change, look, caller);
      }
      this.#grants.afterScript(change, look);
      this.#queues.after(change, look, { caller, granted, isDead: (sessionId) => this.#isDead(sessionId) }, isRefused);
    }
  }

  #isDead(sessionId: string): boolean {
    const seen = this.#sessions.get(`${PREFIX}s:${sessionId}`);
    return !seen || seen.wasCondemned || seen.hasLeft;
  }

  #onBegin(session: string, args: readonly string[], [status]: readonly string[]): void {
    if (status !== "alive" && status !== "recovering") return;
    const field = (name: string) => Number(args[args.indexOf(name, 6) + 1]);
    if (this.#sessions.get(session)?.condemned) this.report("S4", `${session} was condemned and begins again`);
    const seen = { pingedMs: this.#world.nowMs, ttlMs: field("ttl"), graceMs: field("grace"), pid: field("pid") };
    this.#sessions.set(session, { ...seen, condemned: false, wasCondemned: false, hasLeft: false });
  }

  #onPing(session: string, [status]: readonly string[]): void {
    const seen = this.#sessions.get(session);
    if (!seen || status !== "alive") return;
    if (seen.condemned) this.report("S4", `${session} was condemned and is alive again`);
    seen.pingedMs = this.#world.nowMs;
  }

  #onGoodbye(session: string): void {
    const seen = this.#sessions.get(session);
    if (seen) seen.hasLeft = true;
  }

  #onCondemned(session: string, reason: string): void {
    if (reason === "already" || reason === "gone") return;
    this.counts.condemned += 1;
    const seen = this.#sessions.get(session);
    if (!seen) return this.report("S4", `${session} was condemned (${reason}) and never began`);
    const silentMs = this.#world.nowMs - seen.pingedMs + DRIFT_MS;
    const isAlive = this.#facts.isAlive(seen.pid);
    const words = `${session} of ${isAlive ? "a living" : "a dead"} process, silent for ${silentMs - DRIFT_MS} ms`;
    const limitMs = { silent: seen.ttlMs, disconnected: seen.graceMs, proof: isAlive ? Infinity : 0 }[reason] ?? 0;
    if (silentMs < limitMs) this.report("S4", `${words}, was condemned (${reason})`);
    if (isAlive && this.#facts.isGentle)
      this.report("S4", `${words}, was condemned (${reason}): the store had trouble`);
    seen.condemned = seen.wasCondemned = true;
  }

  /** The store lost its memory: it cannot know whom it had condemned. */
  onMemoryLoss(): void {
    for (const seen of this.#sessions.values()) seen.condemned = false;
    this.#queues.onMemoryLoss();
    this.#revoked.onMemoryLoss();
  }

  #countRate(who: string): void {
    if (this.#world.nowMs - this.#second.atMs > 1_000) this.#second = { atMs: this.#world.nowMs, scripts: new Map() };
    const { scripts } = this.#second;
    const count = (scripts.get(who) ?? 0) + 1;
    scripts.set(who, count);
    if (count === SCRIPTS_A_SECOND_MAX) this.report("L5", `${who}: ${count} scripts within a second`);
  }
}

/** Of a session's record. */
function lockerOfKey(sessionKey: string): string {
  return lockerOf(sessionKey.slice(`${PREFIX}s:`.length));
}

/** The blocks of tokens that were given out, by their begins: in the answer, and to waiters. */
function toldBlocks(reply: unknown, told: readonly string[]): Map<number, number> {
  const elements = Array.isArray(reply) ? (reply as unknown[]).filter((one) => Array.isArray(one)) : [];
  const granted = (elements as string[][]).filter(([status]) => status === "granted");
  const blocks = new Map(granted.map(([, first, , last]) => [Number(first), Number(last)]));
  for (const message of told) {
    const match = / granted \d+ (\d+) (\d+) /.exec(message);
    if (match) blocks.set(Number(match[1]), Number(match[2]));
  }
  return blocks;
}
