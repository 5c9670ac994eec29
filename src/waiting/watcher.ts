import type { Attempt } from "../attempt.js";
import { wait, type Clock } from "../clock.js";
import type { ContentionJudge } from "../contention.js";
import type { LeaseRecord, Waiter } from "../databases/database.js";
import type { Session } from "../session.js";

/**
 * How often the first of a queue looks at who holds the key, ms, unless that one may be judged sooner, or is allowed
 * less than that without a connection.
 */
const LOOK_MS = 1_000;
/** How often it asks the process table, which costs the store nothing, ms. */
const PROOF_MS = 100;

/** Made once: the reason that abort() makes by itself, with its stack, would delay the grant that ended the watch. */
const STOPPED = new Error("nobody watches any more");

export type WatcherDeps = { clock: Clock; judge: ContentionJudge; session: Session };

/** What the first of a queue does for all: looks whether the holder lives, and those before it who are passed over. */
export class Watcher {
  readonly #deps: WatcherDeps;

  constructor(deps: WatcherDeps) {
    this.#deps = deps;
  }

  /** Until the returned function is called. What it finds wakes the attempt. */
  start(attempt: Attempt, holders: readonly LeaseRecord[], unfit: readonly Waiter[]): () => void {
    const stop = new AbortController();
    this.#run(attempt, holders, unfit, stop.signal).catch((error: unknown) => {
      if (!stop.signal.aborted) attempt.wake(error as Error);
    });
    return () => stop.abort(STOPPED);
  }

  async #run(attempt: Attempt, holders: readonly LeaseRecord[], unfit: readonly Waiter[], stop: AbortSignal) {
    const { clock, judge } = this.#deps;
    const { watch } = attempt;
    const all = await judge.all(holders);
    const others = all.filter((one) => !this.#isOurs(one.sessionId)); // this process lives
    watch.begin(others);
    while (others.length > 0 || unfit.length > 0) {
      await this.#untilDue(attempt, stop);
      const era = others[0]?.era ?? "";
      const contention = others.length > 0 ? await judge.judgeAll(others) : undefined;
      if (stop.aborted) return;
      if (contention?.next === "take") {
        attempt.take(contention, era);
        return attempt.wake();
      }
      watch.sessions = contention?.sessions ?? [];
      const graces = watch.sessions.map(({ disconnectGraceMs }) => Math.max(PROOF_MS, disconnectGraceMs));
      const lookMs = Math.min(LOOK_MS, ...graces);
      const againInMs = Math.min(contention?.againInMs ?? lookMs, lookMs);
      watch.dueMs = clock.monoMs() + (againInMs < lookMs ? Math.max(1, againInMs, attempt.hurryPauseMs()) : lookMs);
      await this.#lookAtOne(attempt, unfit);
    }
  }

  async #untilDue({ watch }: Attempt, stop: AbortSignal): Promise<void> {
    const { clock, judge } = this.#deps;
    watch.isNear ||= watch.sessions.some((session) => judge.prove(session) !== "unknown");
    for (let leftMs = watch.dueMs - clock.monoMs(); leftMs > 0; leftMs = watch.dueMs - clock.monoMs()) {
      await wait(clock, watch.isNear ? Math.min(leftMs, PROOF_MS) : leftMs, stop);
      if (watch.isNear && watch.sessions.some((session) => judge.prove(session) === "dead")) return;
    }
  }

  /** One a look: they are passed over anyway, and their places only cost a little. */
  async #lookAtOne(attempt: Attempt, unfit: readonly Waiter[]): Promise<void> {
    const waiter = unfit[attempt.watch.turn++ % Math.max(1, unfit.length)];
    if (!waiter || this.#isOurs(waiter.sessionId)) return;
    if (await this.#deps.judge.isDead(waiter.sessionId)) attempt.dead.push(waiter);
  }

  #isOurs(sessionId: string): boolean {
    return sessionId === this.#deps.session.latest()?.identity.sessionId;
  }
}
