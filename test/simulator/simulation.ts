// One world from its beginning to its end: processes with jobs, faults, then calm, in which all must be well again.

import type { Violation } from "../history/history.js";
import type { Fault, Scenario } from "../history/scenario.js";
import { begin, type Stage } from "./faults.js";
import { Holding, leaseIdOf } from "./holding.js";
import { Jobs } from "./jobs.js";
import { HOLDER, isGentle, mayBlock } from "./kinds.js";
import { Oracle, type HeldSomewhere } from "./oracle.js";
import { LIMITS, OTHER_LIMITS } from "./limits.js";
import { SimProcess } from "./process.js";
import { findForgotten, findGhosts, findLeaks, type Remains } from "./remains.js";
import { SimServer } from "./server.js";
import { alone, chooseRates, type Rates } from "./wishes.js";
import { World } from "./world.js";

/** In the calm every key must be had again within that time of somebody asking, ms: the longest job, and a takeover. */
const CALM_MS_MAX = 40_000;
/** By then everything that is asked for until it was answered has been answered, ms. */
const SETTLE_MS = 700;
/** What was sent again and again on a bad line has arrived by then, ms after the last fault. */
const STRAGGLERS_MS = 2_000;
/** How often the calm is looked at, ms. */
const WATCH_MS = 50;
/** A fresh process that tries once gets a dead owner's key: the larger sessionTtlMs and a second. */
const FRESH_MS_MAX = 2_600;

export type Outcome = { violations: Violation[]; counts: Oracle["counts"]; virtualMs: number };

export class Simulation {
  readonly #scenario: Scenario;
  readonly #world: World;
  readonly #oracle: Oracle;
  readonly #server: SimServer;
  readonly #keys: string[];
  readonly #processes: SimProcess[] = [];
  readonly #jobs: Jobs[] = [];
  readonly #acquired = new Map<string, number>();
  readonly #served = new Map<SimProcess, number>();
  readonly #startMs: number;
  /** Of processes with other limits. */
  readonly #share: number;
  /** Many jobs that hold keys for a moment: most of them wait. */
  readonly #isCrowded: boolean;
  readonly #rates: Rates;
  #healedMs = Infinity;

  /** `trace` is given a line for whatever happens. */
  constructor(scenario: Scenario, trace?: (line: string) => void) {
    this.#scenario = scenario;
    this.#world = new World(scenario.seed ?? 0);
    this.#startMs = this.#world.nowMs;
    this.#share = this.#world.pick([0, 0, 0.5, 1]);
    this.#isCrowded = this.#world.chance(0.4);
    const readers = this.#world.pick([0, 0.5, 0.8]);
    const isAlive = (pid: number) => this.#processes.some((process) => process.pid === pid && !process.isDead);
    this.#oracle = new Oracle(this.#world, { isAlive, isGentle: isGentle(scenario), held: () => this.#held() }, trace);
    this.#server = new SimServer(this.#world, this.#oracle);
    // Most worlds begin in the middle of things, some with the window of a namespace's first use.
    if (this.#world.chance(0.8)) this.#server.openNamespace(OTHER_LIMITS.recoveryMs);
    const poolFrom = this.#world.chance(0.2) ? scenario.keys - 1 : Infinity;
    this.#rates = chooseRates(scenario.seed ?? 0, readers);
    const pathAt = this.#rates.hasPath ? 1 : Infinity;
    const nameOf = (i: number) => (i >= poolFrom ? `pool ${i}` : i === pathAt ? `key 0/${i}` : `key ${i}`);
    this.#keys = Array.from({ length: scenario.keys }, (_, i) => nameOf(i));
  }

  async run(): Promise<Outcome> {
    const { processes, durationMs, faults } = this.#scenario;
    for (let i = 0; i < processes; i++) {
      this.#world.after(this.#world.between(0, 200), () => void this.#spawn(`p${i}`));
    }
    for (const fault of faults) this.#plan(fault);
    const lastMs = Math.max(durationMs, ...faults.map((fault) => fault.atMs + fault.durationMs + 1));
    await this.#passes(lastMs);
    if (this.#isSound) await this.#calm();
    if (this.#isSound) await this.#close();
    for (const process of this.#processes) process.kill();
    return {
      violations: this.#oracle.violations,
      counts: this.#oracle.counts,
      virtualMs: this.#world.nowMs - this.#startMs,
    };
  }

  get #isSound(): boolean {
    return this.#oracle.violations.length === 0;
  }

  /** Goes on until then, or to the first violation. */
  #passes(ms: number, done: () => boolean = () => false): Promise<void> {
    return this.#world.run(this.#world.nowMs + ms, () => !this.#isSound || done());
  }

  #plan(fault: Fault): void {
    const stage: Stage = {
      world: this.#world,
      server: this.#server,
      find: (name) => this.#find(name),
      processes: () => this.#living,
      respawn: (name) => void (this.#living.some((process) => process.name === name) || this.#spawn(name)),
      onMemoryLoss: () => this.#oracle.onMemoryLoss(),
    };
    this.#world.at(this.#startMs + fault.atMs, () => {
      this.#oracle.trace(`-- ${fault.kind} of ${fault.target} begins`);
      const end = begin(fault, stage);
      this.#world.after(fault.durationMs, () => {
        this.#oracle.trace(`-- ${fault.kind} of ${fault.target} ends`);
        end();
      });
    });
  }

  #find(name: string): SimProcess | undefined {
    const [holder] = name === HOLDER ? this.#held() : [];
    const wanted = holder?.who ?? name;
    return this.#living.find((process) => process.name === wanted) ?? this.#living[0];
  }

  get #living(): SimProcess[] {
    return this.#processes.filter(({ isDead }) => !isDead);
  }

  *#held(): Generator<HeldSomewhere> {
    for (const [i, { held }] of this.#jobs.entries()) {
      const { isDead, name } = this.#processes[i]!;
      if (!isDead) for (const [lease, wish] of held) yield { who: name, leaseId: leaseIdOf(lease), lease, ...wish };
    }
  }

  #spawn(name: string): SimProcess {
    const limits = this.#world.chance(this.#share) ? OTHER_LIMITS : LIMITS;
    const process = new SimProcess({
      ...{ world: this.#world, server: this.#server, name, pid: 100 + this.#processes.length, limits },
      isAlive: (pid) => this.#living.some((one) => one.pid === pid),
      onDeath: () => undefined,
    });
    this.#processes.push(process);
    const jobCount = this.#world.pick(this.#isCrowded ? [1, 3, 6] : [1, 1, 2]);
    const hold = { blockMsMax: mayBlock(this.#scenario) ? 300 : 0, isBrisk: this.#isCrowded };
    const holding = new Holding(process, this.#oracle, hold, {
      acquired: (key) => {
        this.#acquired.set(key, this.#world.nowMs);
        this.#served.set(process, this.#world.nowMs);
      },
    });
    const jobs = new Jobs(process, this.#oracle, { keys: this.#keys, jobs: jobCount, ...this.#rates }, holding);
    this.#jobs.push(jobs);
    if (this.#healedMs === Infinity) jobs.start();
    return process;
  }

  /** Every key can be had again, every job ends, and nothing is held that nobody knows. */
  async #calm(): Promise<void> {
    this.#healedMs = this.#world.nowMs;
    this.#world.after(STRAGGLERS_MS, () => this.#watchQueues());
    for (const jobs of this.#jobs) jobs.calm();
    const isServed = (one: SimProcess) => (this.#served.get(one) ?? 0) > this.#healedMs;
    const isHad = (key: string) => (this.#acquired.get(key) ?? 0) > this.#healedMs;
    if (this.#living.length > 0) {
      await this.#passes(CALM_MS_MAX, () => this.#keys.every(isHad) && this.#living.every(isServed));
    }
    for (const one of this.#isSound ? this.#living : []) {
      if (!isServed(one)) this.#oracle.report("L5", `${one.name} got no key within ${CALM_MS_MAX} ms of calm`);
    }
    if (!this.#isSound) return;
    const stuck = this.#living.length > 0 ? this.#keys.filter((key) => !isHad(key)) : [];
    for (const key of stuck) this.#oracle.report("L1", `nobody got ${key} within ${CALM_MS_MAX} ms of calm`, key);
    for (const jobs of this.#jobs) jobs.stop();
    const busy = () => this.#processes.some(({ isDead }, i) => !isDead && this.#jobs[i]!.running > 0);
    await this.#passes(CALM_MS_MAX, () => !busy());
    if (busy()) this.#oracle.report("L4", `a job has not ended within ${CALM_MS_MAX} ms of calm`);
    await this.#passes(SETTLE_MS);
    findGhosts(this.#remains);
    findForgotten(this.#remains);
    if (this.#isSound) await this.#tryOnce();
  }

  /** A key that could be granted, and is not: whoever waits for it has been forgotten. */
  #watchQueues(): void {
    if (!this.#isSound) return;
    this.#oracle.watch(this.#server.look(this.#keys), this.#healedMs + STRAGGLERS_MS);
    this.#world.after(WATCH_MS, () => this.#watchQueues());
  }

  get #remains(): Remains {
    return { oracle: this.#oracle, server: this.#server, keys: this.#keys, living: this.#living };
  }

  /** Takes every key, dies, and is silent past its own limit. */
  async #orphanKeys(): Promise<void> {
    const [victim] = this.#living;
    if (!victim) return;
    let had = 0;
    for (const key of this.#keys) {
      const taken = victim.locker.acquire(key, { ...alone(key), waitMs: FRESH_MS_MAX });
      taken.then(
        ({ status }) => (had += status === "SUCCESS" ? 1 : 0),
        (error: unknown) => this.#oracle.report("L1", `${victim.name}, alone: ${String(error)}`, key),
      );
    }
    await this.#passes(FRESH_MS_MAX, () => had === this.#keys.length);
    if (had < this.#keys.length) this.#oracle.report("L1", `${victim.name}, alone, got ${had} keys`);
    victim.kill();
    // What it has sent may arrive after its death, a ping too, before the store hears that its connections are gone.
    await this.#passes(CALM_MS_MAX, () => !this.#server.hasConnectionOf(victim.path));
    await this.#passes(victim.limits.sessionTtlMs + 50);
  }

  async #tryOnce(): Promise<void> {
    await this.#orphanKeys();
    if (!this.#isSound) return;
    const fresh = this.#spawn("fresh");
    const got = new Map<string, string>();
    for (const key of this.#keys) {
      const waitMs = this.#world.chance(0.5) ? FRESH_MS_MAX : 0;
      const tried = fresh.locker.acquire(key, { ...alone(key), waitMs }).then(async (result) => {
        got.set(key, result.status);
        if (result.status === "SUCCESS") await result.lease.release();
      });
      tried.catch((error: unknown) => void got.set(key, String(error)));
    }
    await this.#passes(FRESH_MS_MAX, () => got.size === this.#keys.length);
    for (const key of this.#keys) {
      const status = got.get(key) ?? `no answer within ${FRESH_MS_MAX} ms`;
      if (status !== "SUCCESS") this.#oracle.report("L1", `a fresh process that tries once: ${status}`, key);
    }
    await this.#passes(SETTLE_MS / 3);
  }

  async #close(): Promise<void> {
    const open = new Set(this.#living);
    for (const process of this.#living) {
      void process.locker.close().then(() => {
        open.delete(process);
        if (process.main.pending > 0)
          this.#oracle.report("leak", `${process.name} leaves ${process.main.pending} timers`);
        if (process.path.connections.size > 0) this.#oracle.report("leak", `${process.name} leaves connections open`);
      });
    }
    await this.#passes(LIMITS.closeTimeoutMs + 500, () => open.size === 0);
    for (const { name } of open) this.#oracle.report("close", `close() of ${name} has not resolved`);
    await this.#passes(200);
    findLeaks(this.#remains);
  }
}
