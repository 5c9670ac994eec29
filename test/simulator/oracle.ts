// Who sees everything: judges what the lockers say by what the store did, exactly, since nothing in a simulated world
// happens between two instants that could be confused.

import type { Lease } from "../../src/index.js";
import type { Violation } from "../history/history.js";
import type { World } from "./world.js";

type GrantSeen = { lease: string; token: number; atMs: number };
type SessionSeen = { pingedMs: number; ttlMs: number; graceMs: number; pid: number; condemned: boolean };

/** How far a silence measured by the store's clock may differ from the real one: driftMs of the limits in use. */
const DRIFT_MS = 100;
/** Scripts a process and second above which somebody asks without a pause. */
const SCRIPTS_A_SECOND_MAX = 400;

/** A lease in a job's hands, wherever. */
export type HeldSomewhere = { who: string; lease: Pick<Lease, "key" | "fencingToken" | "state"> };

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

export class Oracle {
  readonly violations: Violation[] = [];
  readonly counts = { scripts: 0, grants: 0, checks: 0, yes: 0, condemned: 0, losses: 0 };
  readonly #world: World;
  readonly #facts: Facts;
  readonly #grants = new Map<string, GrantSeen[]>();
  readonly #sessions = new Map<string, SessionSeen>();
  #second = { atMs: 0, scripts: new Map<string, number>() };

  readonly #trace: ((line: string) => void) | undefined;

  constructor(world: World, facts: Facts, trace?: (line: string) => void) {
    this.#world = world;
    this.#facts = facts;
    this.#trace = trace;
  }

  trace(text: string): void {
    this.#trace?.(`${this.#world.nowMs.toFixed(2).padStart(10)} ${text}`);
  }

  report(rule: string, what: string, key?: string): void {
    this.trace(`VIOLATION ${rule}: ${what}`);
    this.violations.push({ rule, what, atMs: this.#world.nowMs, ...(key === undefined ? {} : { key }) });
  }

  /** After every script, with what it answered. `leases`: what an acquire found under its keys. */
  onScript(name: string, keys: Texts, args: Texts, reply: unknown, leases: readonly (string | null)[] = []): void {
    this.counts.scripts += 1;
    this.#countRate(keys[1] ?? keys[0]!);
    const answer = reply as string[];
    if (this.#trace) this.trace(`${name} ${keys.slice(1).join(" ")} | ${args.join(" ")} -> ${JSON.stringify(reply)}`);
    if (name === "acquire") this.#onAcquire(keys, args, reply as unknown[], leases);
    else if (name === "begin") this.#onBegin(keys[1]!, args, answer);
    else if (name === "ping") this.#onPing(keys[1]!, answer);
    else if (name === "condemn" && answer[0] === "condemned") this.#onCondemned(keys[1]!, answer[1]!);
  }

  /** The locker says that the lease is held, now. */
  yes(who: string, key: string, token: number): void {
    this.counts.yes += 1;
    const grants = this.#grants.get(key) ?? [];
    const mine = grants.findIndex((grant) => grant.token === token);
    const later = grants.slice(mine + 1).find((grant) => grant.lease !== grants[mine]?.lease);
    if (mine < 0) this.report("S1", `${who} holds ${key} under token ${token}, which was never granted`, key);
    else if (later) {
      const agoMs = (this.#world.nowMs - later.atMs).toFixed(1);
      this.report("S1", `${who} said yes under token ${token}, ${agoMs} ms after ${later.token} was granted`, key);
    }
  }

  /** `wasBelieved`: it was not within the margin of its end, up to which it had last been renewed. */
  lost(who: string, key: string, code: string, wasBelieved: boolean): void {
    this.counts.losses += 1;
    this.trace(`${who} lost ${key}: ${code}`);
    // After lockTtlMs without an answer, or without a beat, the store has forgotten the lease: that end is the promise.
    if (this.#facts.isGentle && wasBelieved && !["unreachable", "expired"].includes(code))
      this.report("L4", `${who} lost ${key} (${code}), though only the store had trouble`, key);
  }

  /** The last grant of a key, for what is printed. */
  lastGrant(key: string): GrantSeen | undefined {
    return this.#grants.get(key)?.at(-1);
  }

  #onAcquire(keys: Texts, args: Texts, reply: unknown[], leases: readonly (string | null)[]): void {
    if (reply[0] !== "ok") return;
    for (let i = 2; i < keys.length; i++) {
      const [status, token] = reply[i] as string[];
      const lease = `${args[5]}#${args[6 + (i - 2) * 5]}`;
      if (status !== "granted") continue;
      const [, , session = "", number, known, , era] = leases[i - 2]?.split(" ") ?? [];
      const isOwn = `${session.split(".")[0]}#${number}` === lease && era === reply[1];
      if (isOwn && known !== token) this.report("S3", `${lease} had token ${known}, asked again, and got ${token}`);
      this.#onGrant(keyOf(keys[i]!), lease, Number(token));
    }
  }

  #onGrant(key: string, lease: string, token: number): void {
    const grants = this.#grants.get(key) ?? [];
    this.#grants.set(key, grants);
    const last = grants.at(-1);
    if (last?.lease === lease && last.token === token) return; // asked again
    const isLarger = Number.isSafeInteger(token) && token > 0 && (!last || token > last.token);
    if (!isLarger) this.report("S2", `${lease} got token ${token} after ${last?.token}`, key);
    this.counts.grants += 1;
    this.#askEverybody(key, token);
    grants.push({ lease, token, atMs: this.#world.nowMs });
  }

  /**
   * In the very instant of a grant: whoever would now say that it holds the key says it falsely. Also a process that is
   * stopped or blocked: what it would say depends on its clock and its memory alone.
   */
  #askEverybody(key: string, token: number): void {
    for (const { who, lease } of this.#facts.held()) {
      if (lease.key !== key || lease.fencingToken === token || lease.state !== "held") continue;
      this.report("S1", `${token} is granted while ${who} holds ${key} under token ${lease.fencingToken}`, key);
    }
  }

  #onBegin(session: string, args: readonly string[], [status]: readonly string[]): void {
    if (status !== "alive" && status !== "recovering") return;
    const field = (name: string) => Number(args[args.indexOf(name, 6) + 1]);
    if (this.#sessions.get(session)?.condemned) this.report("S4", `${session} was condemned and begins again`);
    const seen = { pingedMs: this.#world.nowMs, ttlMs: field("ttl"), graceMs: field("grace"), pid: field("pid") };
    this.#sessions.set(session, { ...seen, condemned: false });
  }

  #onPing(session: string, [status]: readonly string[]): void {
    const seen = this.#sessions.get(session);
    if (!seen || status !== "alive") return;
    if (seen.condemned) this.report("S4", `${session} was condemned and is alive again`);
    seen.pingedMs = this.#world.nowMs;
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
    seen.condemned = true;
  }

  /** The store lost its memory: it cannot know whom it had condemned. */
  onMemoryLoss(): void {
    for (const seen of this.#sessions.values()) seen.condemned = false;
  }

  #countRate(who: string): void {
    if (this.#world.nowMs - this.#second.atMs > 1_000) this.#second = { atMs: this.#world.nowMs, scripts: new Map() };
    const { scripts } = this.#second;
    const count = (scripts.get(who) ?? 0) + 1;
    scripts.set(who, count);
    if (count === SCRIPTS_A_SECOND_MAX) this.report("L5", `${who}: ${count} scripts within a second`);
  }
}

export const PREFIX = "p:";

function keyOf(redisKey: string): string {
  return redisKey.slice(`${PREFIX}l:`.length);
}
