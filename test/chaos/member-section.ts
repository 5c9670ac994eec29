// What a member does under a lease: asks in every way whether it still holds it, and writes to the guarded resource.

import { DrainingSignal, LockError, LockUnsureError, type Lease } from "../../src/index.js";
import { nowMs, type Journal } from "./journal.js";
import type { Wish } from "./member-wishes.js";
import type { Register } from "./register.js";

export type Attempt = { key: string; attempt: number };

export type SectionDeps = { readonly journal: Journal; readonly register: Register; readonly random: () => number };

export class Sections {
  readonly #deps: SectionDeps;
  readonly #stopped: AbortSignal;
  /** From now on they are short. */
  isCalm = false;

  constructor(deps: SectionDeps, stopped: AbortSignal) {
    this.#deps = deps;
    this.#stopped = stopped;
  }

  /** Works until it has done enough or is told that the lease is lost. Never throws for that. */
  async section(of: Attempt, lease: Lease, wish: Wish): Promise<void> {
    const { journal, random } = this.#deps;
    const ofLease = { ...of, token: lease.fencingToken };
    journal.add({ kind: "acquired", ...ofLease, ...wish.facts });
    const onAbort = (): void => this.aborted(ofLease, lease);
    lease.signal.addEventListener("abort", onAbort);
    const forMs = this.isCalm ? 20 + random() * 60 : 20 + random() ** 3 * 2_500;
    const endMs = nowMs() + forMs;
    try {
      do {
        await this.#beat(ofLease, lease);
        if (wish.writes) await this.#count(ofLease, true);
        if (random() < 0.3) this.#assert(ofLease, lease);
        if (wish.writes) await this.#count(ofLease, false);
        await pause(random() < 0.2 ? 0 : 10 + random() * 60);
      } while (nowMs() < endMs && !this.#stopped.aborted && !this.isCalm);
    } catch (error) {
      if (!(error instanceof LockError || error instanceof DrainingSignal)) throw error;
    } finally {
      lease.signal.removeEventListener("abort", onAbort);
    }
  }

  aborted(of: Attempt & { token: number }, lease: Lease): void {
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
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms)); // waits: a job that is not busy all the time
}
