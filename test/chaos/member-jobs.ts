// What a member does all day: takes keys in every way the package offers, works under them, and writes down what it
// saw.

import { DrainingSignal, LockerClosedError, LockStatus, LockTimeoutError } from "../../src/index.js";
import type { Lease, Locker } from "../../src/index.js";
import { nowMs } from "./journal.js";
import { pause, Sections, type Attempt, type SectionDeps } from "./member-section.js";
import { EXCLUSIVE, isPool, somePermits, SHARED, type Wish } from "./member-wishes.js";

export type JobDeps = SectionDeps & { readonly locker: Locker; readonly keys: readonly string[] };

export class Jobs {
  readonly #deps: JobDeps;
  readonly #stop = new AbortController();
  #attempts = 0;
  readonly #kept: (() => Promise<void>)[] = [];
  readonly #sections: Sections;

  constructor(deps: JobDeps) {
    this.#deps = deps;
    this.#sections = new Sections(deps, this.#stop.signal);
  }

  /** From now on sections are short and nobody waits long, so that every key comes round soon. */
  calm(): void {
    this.#sections.isCalm = true;
  }

  stop(): void {
    this.#stop.abort(new Error("the schedule is over"));
  }

  /** Takes keys until stop(). */
  async loop(): Promise<void> {
    const { keys, random } = this.#deps;
    while (!this.#stop.signal.aborted) {
      const attempt = ++this.#attempts;
      if (random() < 0.08) await this.#takeAll(attempt);
      else await this.#takeOnce({ key: keys[Math.floor(random() * keys.length)]!, attempt });
      await pause(5 + random() * 60);
    }
  }

  /** Outside of the loops: has the key until letGo(). Resolves with the time of the grant. */
  async take(key: string, waitMs: number): Promise<number> {
    const { locker, journal } = this.#deps;
    const of = { key, attempt: ++this.#attempts };
    journal.add({ kind: "acquire-called", ...of });
    const outcome = await locker.acquire(key, { waitMs }).catch((error: unknown) => {
      journal.add({ kind: "acquire-failed", ...of, error: describe(error) });
      throw error;
    });
    const atMs = nowMs();
    if (outcome.status !== LockStatus.SUCCESS) {
      journal.add({ kind: "busy", ...of, holderToken: outcome.holder.fencingToken });
      throw new Error(`${key} is held by ${outcome.holder.fencingToken}`);
    }
    const { lease } = outcome;
    const token = lease.fencingToken;
    journal.add({ kind: "acquired", ...of, token, atMs });
    lease.signal.addEventListener("abort", () => this.#sections.aborted({ ...of, token }, lease));
    this.#kept.push(() => this.#release(of, lease));
    return atMs;
  }

  async letGo(): Promise<void> {
    await Promise.all(this.#kept.splice(0).map((release) => release()));
  }

  async #takeOnce(of: Attempt): Promise<void> {
    const { journal, random } = this.#deps;
    const wish = isPool(of.key) ? somePermits(random() < 0.7 ? 1 : 2) : random() < 0.25 ? SHARED : EXCLUSIVE;
    const way = random();
    const waitMs = way < 0.3 ? 0 : this.#waitMs();
    journal.add({ kind: "acquire-called", ...of, waits: waitMs > 0 });
    try {
      if (way < 0.3) await this.#run(of, wish);
      else if (way < 0.6) await this.#acquire(of, wish, waitMs);
      else await this.#mutex(of, wish, waitMs);
    } catch (error) {
      if (error instanceof LockTimeoutError) {
        return journal.add({ kind: "busy", ...of, holderToken: error.holder.fencingToken });
      }
      journal.add({ kind: "acquire-failed", ...of, error: describe(error) });
    }
  }

  /**
   * Several keys at once, or none. When it begins to wait for which of them nobody but the package knows, so that its
   * call is not written down.
   */
  async #takeAll(attempt: number): Promise<void> {
    const { locker, journal, keys, random } = this.#deps;
    const several = keys.filter((key) => !isPool(key) && random() < 0.6);
    if (several.length === 0) return;
    const wish = random() < 0.3 ? SHARED : EXCLUSIVE;
    const wanted = several.map((key) => ({ key, ...wish.options }));
    const options = { waitMs: this.#waitMs(), signal: this.#stop.signal };
    const outcome = await locker.acquireAll(wanted, options).catch((error: unknown) => {
      if (error !== this.#stop.signal.reason && !describe(error).startsWith("StoreError "))
        journal.add({ kind: "crashed", error: `acquireAll: ${describe(error)}` });
    });
    if (outcome?.status !== LockStatus.SUCCESS) return;
    const { group } = outcome;
    const ofLease = (lease: Lease) => ({ key: lease.key, attempt });
    await Promise.all(group.leases.map((lease) => this.#sections.section(ofLease(lease), lease, wish)));
    for (const lease of group.leases)
      journal.add({ kind: "release-called", ...ofLease(lease), token: lease.fencingToken });
    await group.release();
    for (const lease of group.leases) this.#released(ofLease(lease), lease);
  }

  async #run(of: Attempt, wish: Wish): Promise<void> {
    const { locker, journal, random } = this.#deps;
    let token = 0;
    const own = random() < 0.1 ? new Error("the job's own error") : undefined;
    let hasThrown = false;
    const job = async (_heartbeat: unknown, lease: Lease): Promise<void> => {
      token = lease.fencingToken;
      await this.#sections.section(of, lease, wish);
      journal.add({ kind: "release-called", ...of, token });
      hasThrown = own !== undefined;
      if (own) throw own;
    };
    const minHoldMs = wish === EXCLUSIVE && random() < 0.1 ? Math.round(random() * 400) : 0;
    const outcome = await locker.acquireAndRun(of.key, job, { ...wish.options, minHoldMs }).catch((error: unknown) => {
      if (!hasThrown) throw error;
      // What the job threw comes out as it is, whatever became of the lease and its release.
      if (error !== own) journal.add({ kind: "crashed", error: `the job's error came out as ${describe(error)}` });
      journal.add({ kind: "released", ...of, token, heldToTheEnd: false });
      return undefined;
    });
    if (!outcome) return;
    if (hasThrown) journal.add({ kind: "crashed", error: "the job's error was swallowed" });
    if (outcome.status === LockStatus.SUCCESS) {
      return journal.add({ kind: "released", ...of, token, heldToTheEnd: outcome.heldToTheEnd });
    }
    journal.add({ kind: "busy", ...of, holderToken: outcome.holder.fencingToken });
  }

  async #acquire(of: Attempt, wish: Wish, waitMs: number): Promise<void> {
    const { locker, journal } = this.#deps;
    const trace = `attempt ${of.attempt}`;
    const outcome = await locker.acquire(of.key, { ...wish.options, waitMs, signal: this.#stop.signal, trace });
    if (outcome.status !== LockStatus.SUCCESS) {
      return journal.add({ kind: "busy", ...of, holderToken: outcome.holder.fencingToken });
    }
    const { lease } = outcome;
    await this.#sections.section(of, lease, wish);
    await this.#release(of, lease);
  }

  async #mutex(of: Attempt, wish: Wish, waitMs: number): Promise<void> {
    let held: Lease | undefined;
    const job = async (_heartbeat: unknown, lease: Lease): Promise<void> => {
      held = lease;
      await this.#sections.section(of, lease, wish);
      this.#deps.journal.add({ kind: "release-called", ...of, token: lease.fencingToken });
    };
    await this.#deps.locker.mutex(of.key, job, { ...wish.options, waitMs, signal: this.#patience(waitMs) });
    if (held) this.#released(of, held);
  }

  async #release(of: Attempt, lease: Lease): Promise<void> {
    this.#deps.journal.add({ kind: "release-called", ...of, token: lease.fencingToken });
    await lease.release();
    this.#released(of, lease);
  }

  /** The package does not say here whether the lease was held to the end, and we claim nothing in its name. */
  #released(of: Attempt, lease: Lease): void {
    this.#deps.journal.add({ kind: "released", ...of, token: lease.fencingToken, heldToTheEnd: false });
  }

  /** Some lose patience in the middle of it: what may have been granted then has to be given back unasked. */
  #patience(waitMs: number): AbortSignal {
    const { random } = this.#deps;
    if (this.#sections.isCalm || random() < 0.7) return this.#stop.signal;
    return AbortSignal.any([this.#stop.signal, AbortSignal.timeout(Math.round(random() * waitMs))]);
  }

  #waitMs(): number {
    const { random } = this.#deps;
    return this.#sections.isCalm ? 300 : Math.round(random() ** 2 * 2_000);
  }
}

/** Errors by which an acquire may end, as "StoreError unreachable". */
function describe(error: unknown): string {
  const { name, code, message } = error as Error & { code?: string };
  const known = error instanceof LockerClosedError || error instanceof DrainingSignal || code !== undefined;
  return known ? `${name}${code ? ` ${code}` : ""}` : `${name}: ${message}`;
}
