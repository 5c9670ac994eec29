import type { Engines } from "./engines.js";
import { DrainingSignal, LockerClosedError } from "./errors.js";
import { publish } from "./events.js";
import type { Drain } from "./grant.js";
import type { ResolvedOptions } from "./options.js";

export type DrainResult = {
  /** Whether every job has ended. */
  settled: boolean;
  /** The keys of those that have not. */
  left: string[];
};

export type EndingDeps = {
  options: ResolvedOptions;
  /** The engines, or those that are being opened; undefined when none ever was. */
  engines(): Promise<Engines> | undefined;
  /** The engines, once they run. */
  running(): Engines | undefined;
  onClose(): void;
};

/** How a locker ends: acquires are counted, so that no grant reaches a caller after the end has begun. */
export class Ending {
  /** Aborts when nothing is acquired any more. */
  readonly signal: AbortSignal;
  readonly drain: Drain;
  /** What every acquire ends by, whatever else it may end by. */
  readonly signals: readonly AbortSignal[];
  readonly #deps: EndingDeps;
  readonly #stop = new AbortController();
  readonly #waitForAcquires: (() => void)[] = [];
  #acquiring = 0;
  #draining: Promise<DrainResult> | undefined;
  #closing: Promise<void> | undefined;

  constructor(deps: EndingDeps) {
    this.#deps = deps;
    this.signal = this.#stop.signal;
    this.signals = [this.signal];
    this.drain = { reason: undefined, signal: this.signal };
  }

  /** Why nothing is acquired any more, once there is a reason. */
  get reason(): Error | undefined {
    return this.drain.reason;
  }

  /** The end waits for what is acquired within. */
  count<T>(acquire: () => Promise<T>): Promise<T> {
    this.#acquiring += 1;
    try {
      return acquire().then(this.#onAcquired as (value: T) => T, this.#onFailure);
    } catch (error) {
      return this.#onFailure(error);
    }
  }

  // One function for all of them, not two for each: a thousand may wait.
  readonly #onAcquired = <T>(value: T): T => {
    this.#acquiring -= 1;
    if (this.#acquiring === 0) for (const resolve of this.#waitForAcquires.splice(0)) resolve();
    return value;
  };
  readonly #onFailure = (error: unknown): never => {
    this.#onAcquired(undefined);
    throw error;
  };

  drainOnce(reason: string): Promise<DrainResult> {
    this.#draining ??= this.#drain(reason);
    return this.#draining;
  }

  closeOnce(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #drain(reason: string): Promise<DrainResult> {
    const engines = await this.#stopAcquiring(new DrainingSignal(reason));
    if (!engines) return { settled: true, left: [] };
    const { drainTimeoutMs, drainAbortMs, closeTimeoutMs } = this.#deps.options;
    const tell = (state: "started" | "aborting" | "settled" | "left") =>
      publish("drain", () => ({ reason, state, jobs: engines.leases.length }));
    tell("started");
    if (!(await engines.settled(drainTimeoutMs))) {
      tell("aborting");
      engines.endAll(this.reason!);
      await engines.settled(drainAbortMs);
    }
    const left = engines.leases.map(({ key }) => key);
    tell(left.length === 0 ? "settled" : "left");
    if (left.length === 0 && !this.#closing) await engines.stop(true, closeTimeoutMs);
    return { settled: left.length === 0, left };
  }

  async #close(): Promise<void> {
    this.#deps.running()?.endAll("closed"); // first, so that a heartbeat says what has become of its lease
    const engines = await this.#stopAcquiring(new LockerClosedError());
    this.#deps.onClose();
    if (!engines) return;
    const { closeTimeoutMs } = this.#deps.options;
    engines.endAll("closed");
    const settled = await engines.settled(closeTimeoutMs);
    await engines.stop(settled, closeTimeoutMs);
  }

  /** From here on no grant reaches a caller; resolves when every acquire under way has ended. */
  async #stopAcquiring(reason: Error): Promise<Engines | undefined> {
    this.drain.reason ??= reason;
    this.#stop.abort(reason);
    const engines = await this.#deps.engines()?.catch(() => undefined);
    while (this.#acquiring > 0) await new Promise<void>((resolve) => this.#waitForAcquires.push(resolve));
    return engines;
  }
}
