import { Batch } from "./batch.js";
import { Patience, wait, type Clock } from "./clock.js";
import type { LeaseStore, ReleaseAnswer, ReleaseRequest } from "./databases/database.js";
import type { Session } from "./session.js";
import { joinSignals } from "./signals.js";

/**
 * Pause before an unanswered request is repeated, ms; drawn between half of it and all of it. A store that is up may
 * refuse for a while, as a replica before its promotion.
 */
const RETRY_MS = 100;
/** How long release() waits for the store's answer, ms; without one it goes on in the background. */
const RELEASE_WAIT_MS = 1_000;

/**
 * Releases, and withdraws what may have been granted to nobody. Each is asked for again until it was answered or the
 * locker ends (then the session's end frees everything).
 */
export class GiveBack {
  readonly #store: LeaseStore;
  readonly #clock: Clock;
  readonly #batch: Batch<ReleaseRequest, ReleaseAnswer>;
  readonly #ended: AbortSignal;
  #pending = 0;
  /** Of those who wait until nothing is pending. */
  readonly #onSettled: (() => void)[] = [];
  readonly #patience: Patience<(answer: undefined) => void>;

  constructor(store: LeaseStore, session: Session, clock: Clock, ended: AbortSignal) {
    this.#store = store;
    this.#clock = clock;
    this.#ended = ended;
    this.#patience = new Patience(clock, RELEASE_WAIT_MS, (resolve) => resolve(undefined));
    this.#batch = new Batch(clock, async (requests) => {
      const stamp = session.latest();
      if (!stamp) throw new Error("no session was ever begun");
      const result = await store.release(stamp.identity, requests);
      if (result.status !== "ok") throw new Error(`refused: ${result.status}`);
      return result.answers;
    });
  }

  /** Sends what is waiting now: before an acquire of the same turn, or when nobody is left who could join it. */
  flush(): void {
    this.#batch.flush();
  }

  /**
   * Resolves with the store's answer, or undefined when the locker ended first. Never rejects. It is sent only after
   * what is still under way for this lease was answered: a command whose script the server had forgotten is sent a
   * second time, and could otherwise land after the release and write the lease again. `keepMs`: the key stays taken
   * until so long after its grant.
   */
  request(
    key: string,
    leaseNumber: number,
    underWay?: Promise<unknown>,
    keepMs = 0,
  ): Promise<ReleaseAnswer | undefined> {
    const request = keepMs > 0 ? { key, leaseNumber, keepMs } : { key, leaseNumber };
    this.#pending += 1;
    if (!underWay) return this.#ask(request);
    const send = () => this.#ask(request);
    return underWay.then(send, send);
  }

  /** The answer to a request, or undefined when it does not come in time. */
  soon(request: Promise<ReleaseAnswer | undefined>): Promise<ReleaseAnswer | undefined> {
    return new Promise((resolve) => {
      this.#patience.begin(resolve);
      void request.then((answer) => {
        this.#patience.end(resolve);
        resolve(answer);
      });
    });
  }

  /** Resolves when nothing is waiting for an answer. */
  async settled(): Promise<void> {
    while (this.#pending > 0) await new Promise<void>((resolve) => this.#onSettled.push(resolve));
  }

  #ask(request: ReleaseRequest): Promise<ReleaseAnswer | undefined> {
    if (this.#ended.aborted) return Promise.resolve(this.#onAnswer(undefined));
    return this.#batch.add(request).then(this.#onAnswer, () => this.#askLater(request));
  }

  /**
   * No answer: it may or may not have happened. Asking again is safe, and the connection comes back at its own pace.
   */
  async #askLater(request: ReleaseRequest): Promise<ReleaseAnswer | undefined> {
    const over = joinSignals([this.#ended]);
    const pauseMs = RETRY_MS * (0.5 + this.#clock.random() / 2);
    await wait(this.#clock, pauseMs, over.signal).catch(() => {}); // whether it ended is looked at next
    await this.#store.whenUp(over.signal).catch(() => {});
    over.dispose();
    return this.#ask(request);
  }

  readonly #onAnswer = (answer: ReleaseAnswer | undefined): ReleaseAnswer | undefined => {
    this.#pending -= 1;
    if (this.#pending === 0) for (const resolve of this.#onSettled.splice(0)) resolve();
    return answer;
  };
}
