// What a member does all day: takes keys in every way the package offers, works under them, and writes down what it
// saw.

import {
  DrainingSignal,
  LockError,
  LockerClosedError,
  LockStatus,
  LockTimeoutError,
  LockUnsureError,
  type Lease,
  type Locker,
} from "../../src/index.js";
import { nowMs, type Journal } from "./journal.js";
import type { Register } from "./register.js";

export type JobDeps = {
  readonly locker: Locker;
  readonly journal: Journal;
  readonly register: Register;
  readonly keys: readonly string[];
  readonly random: () => number;
};

type Attempt = { key: string; attempt: number };

export class Jobs {
  readonly #deps: JobDeps;
  readonly #stop = new AbortController();
  #attempts = 0;
  readonly #kept: (() => Promise<void>)[] = [];
  #isCalm = false;

  constructor(deps: JobDeps) {
    this.#deps = deps;
  }

  /** From now on sections are short and nobody waits long, so that every key comes round soon. */
  calm(): void {
    this.#isCalm = true;
  }

  stop(): void {
    this.#stop.abort(new Error("the schedule is over"));
  }

  /** Takes keys until stop(). */
  async loop(): Promise<void> {
    const { keys, random } = this.#deps;
    while (!this.#stop.signal.aborted) {
      const key = keys[Math.floor(random() * keys.length)]!;
      await this.#takeOnce({ key, attempt: ++this.#attempts });
      await pause(5 + random() * 60);
    }
  }

  /** Outside of the loops: has the key until letGo(). Resolves with the time of the grant. */
  async take(key: string, waitMs: number): Promise<number> {
    const { locker, journal } = this.#deps;
    const of = { key, attempt: ++this.#attempts };
    journal.add({ kind: "acquire-called", ...of });
    const outcome = await locker.acquire(key, { waitMs });
    const atMs = nowMs();
    if (outcome.status !== LockStatus.SUCCESS) {
      journal.add({ kind: "busy", ...of, holderToken: outcome.holder.fencingToken });
      throw new Error(`${key} is held by ${outcome.holder.fencingToken}`);
    }
    const { lease } = outcome;
    const token = lease.fencingToken;
    journal.add({ kind: "acquired", ...of, token, atMs });
    lease.signal.addEventListener("abort", () => this.#aborted({ ...of, token }, lease));
    this.#kept.push(() => this.#release(of, lease));
    return atMs;
  }

  async letGo(): Promise<void> {
    await Promise.all(this.#kept.splice(0).map((release) => release()));
  }

  async #takeOnce(of: Attempt): Promise<void> {
    const { journal, random } = this.#deps;
    journal.add({ kind: "acquire-called", ...of });
    const way = random();
    try {
      if (way < 0.4) await this.#run(of);
      else if (way < 0.7) await this.#acquire(of, this.#waitMs());
      else await this.#mutex(of, this.#waitMs());
    } catch (error) {
      if (error instanceof LockTimeoutError) {
        return journal.add({ kind: "busy", ...of, holderToken: error.holder.fencingToken });
      }
      journal.add({ kind: "acquire-failed", ...of, error: describe(error) });
    }
  }

  async #run(of: Attempt): Promise<void> {
    const { locker, journal, random } = this.#deps;
    let token = 0;
    const own = random() < 0.1 ? new Error("the job's own error") : undefined;
    let hasThrown = false;
    const job = async (_heartbeat: unknown, lease: Lease): Promise<void> => {
      token = lease.fencingToken;
      await this.#section(of, lease);
      journal.add({ kind: "release-called", ...of, token });
      hasThrown = own !== undefined;
      if (own) throw own;
    };
    const outcome = await locker.acquireAndRun(of.key, job).catch((error: unknown) => {
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

  async #acquire(of: Attempt, waitMs: number): Promise<void> {
    const { locker, journal } = this.#deps;
    const outcome = await locker.acquire(of.key, { waitMs, signal: this.#stop.signal, trace: `attempt ${of.attempt}` });
    if (outcome.status !== LockStatus.SUCCESS) {
      return journal.add({ kind: "busy", ...of, holderToken: outcome.holder.fencingToken });
    }
    const { lease } = outcome;
    await this.#section(of, lease);
    await this.#release(of, lease);
  }

  async #mutex(of: Attempt, waitMs: number): Promise<void> {
    let held: Lease | undefined;
    const job = async (_heartbeat: unknown, lease: Lease): Promise<void> => {
      held = lease;
      await this.#section(of, lease);
      this.#deps.journal.add({ kind: "release-called", ...of, token: lease.fencingToken });
    };
    await this.#deps.locker.mutex(of.key, job, { waitMs, signal: this.#patience(waitMs) });
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

  /** Works until it has done enough or is told that the lease is lost. Never throws for that. */
  async #section(of: Attempt, lease: Lease): Promise<void> {
    const { journal, random } = this.#deps;
    const ofLease = { ...of, token: lease.fencingToken };
    journal.add({ kind: "acquired", ...ofLease });
    const onAbort = (): void => this.#aborted(ofLease, lease);
    lease.signal.addEventListener("abort", onAbort);
    const forMs = this.#isCalm ? 20 + random() * 60 : 20 + random() ** 3 * 2_500;
    const endMs = nowMs() + forMs;
    try {
      do {
        await this.#beat(ofLease, lease);
        await this.#count(ofLease, true);
        if (random() < 0.3) this.#assert(ofLease, lease);
        await this.#count(ofLease, false);
        await pause(random() < 0.2 ? 0 : 10 + random() * 60);
      } while (nowMs() < endMs && !this.#stop.signal.aborted && !this.#isCalm);
    } catch (error) {
      if (!(error instanceof LockError || error instanceof DrainingSignal)) throw error;
    } finally {
      lease.signal.removeEventListener("abort", onAbort);
    }
  }

  #aborted(of: Attempt & { token: number }, lease: Lease): void {
    const { reason } = lease.signal as { reason: unknown };
    if (reason instanceof LockError) this.#deps.journal.add({ kind: "aborted", ...of, code: reason.code });
  }

  async #beat(of: Attempt & { token: number }, lease: Lease): Promise<void> {
    const { journal } = this.#deps;
    const atMs = nowMs();
    try {
      await lease.heartbeat();
    } catch (error) {
      if (error instanceof LockError) journal.add({ kind: "check", ...of, atMs, afterMs: nowMs(), answer: "lost" });
      throw error;
    }
    journal.add({ kind: "check", ...of, atMs, afterMs: nowMs(), answer: "yes" });
  }

  #assert(of: Attempt & { token: number }, lease: Lease): void {
    const { journal } = this.#deps;
    const atMs = nowMs();
    let answer: "yes" | "lost" | "unsure" = "yes";
    let thrown: unknown;
    try {
      lease.assertHeld();
    } catch (error) {
      thrown = error;
      if (error instanceof LockError) answer = "lost";
      else if (error instanceof LockUnsureError) answer = "unsure";
      else throw error;
    }
    journal.add({ kind: "check", ...of, atMs, afterMs: nowMs(), answer });
    if (answer === "lost") throw thrown;
  }

  /** Reads, takes its time, and writes one more: what a lock is for. */
  async #count(of: Attempt & { token: number }, fenced: boolean): Promise<void> {
    const { journal, register, random } = this.#deps;
    const seen = await register.read(of.key, of.token, fenced);
    if (seen === undefined) return journal.add({ kind: "write", ...of, value: -1, accepted: false, fenced });
    // Mostly at once, sometimes so late that the lease may have gone to somebody else: then the fence has to tell.
    const lateMs = random() < 0.04 ? random() * 1_200 : random() * 20;
    if (lateMs > 10) await pause(lateMs);
    const value = seen + 1;
    const beganMs = nowMs();
    const accepted = await register.write(of.key, of.token, fenced, value);
    journal.add({ kind: "write", ...of, value, accepted, fenced, beganMs });
  }

  /** Some lose patience in the middle of it: what may have been granted then has to be given back unasked. */
  #patience(waitMs: number): AbortSignal {
    const { random } = this.#deps;
    if (random() < 0.7) return this.#stop.signal;
    return AbortSignal.any([this.#stop.signal, AbortSignal.timeout(Math.round(random() * waitMs))]);
  }

  #waitMs(): number {
    const { random } = this.#deps;
    return this.#isCalm ? 300 : Math.round(random() ** 2 * 2_000);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms)); // waits: a job that is not busy all the time
}

/** Errors by which an acquire may end, as "StoreError unreachable". */
function describe(error: unknown): string {
  const { name, code, message } = error as Error & { code?: string };
  const known = error instanceof LockerClosedError || error instanceof DrainingSignal || code !== undefined;
  return known ? `${name}${code ? ` ${code}` : ""}` : `${name}: ${message}`;
}
