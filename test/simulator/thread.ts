// One thread of a simulated process: its event loop, and the clock that the code in it is given.

import type { Clock, Timer } from "../../src/clock.js";
import { drain, type Scheduled, type World } from "./world.js";

type Pending = { dueMs: number; order: number; fn: () => void; isJobs: boolean };

/** What is common to the threads of one process. */
export interface Host {
  readonly world: World;
  /** Stopped by SIGSTOP. */
  readonly isStopped: boolean;
  readonly wallOffsetMs: number;
}

/**
 * An event loop as Node's: each turn first carries out the timers that are due, then the input that has arrived, then
 * what waits for the end of the input. A stopped process and a blocked thread make no turns; what arrives waits.
 */
export class SimThread implements Clock {
  readonly host: Host;
  #timers: Pending[] = [];
  #input: (() => void)[] = [];
  #afterInput: (() => void)[] = [];
  #order = 0;
  #busyUntilMs = 0;
  #resume: (() => void) | undefined;
  #wake: { atMs: number; event: Scheduled } | undefined;
  #isTurning = false;
  #isDead = false;
  readonly #onDeath: (() => void)[] = [];

  constructor(host: Host) {
    this.host = host;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Timers of the locker that have neither fired nor been cancelled. */
  get pending(): number {
    return this.#timers.filter(({ isJobs }) => !isJobs).length;
  }

  monoMs(): number {
    return this.host.world.nowMs;
  }
  wallMs(): number {
    return Math.floor(1_700_000_000_000 + this.host.world.nowMs + this.host.wallOffsetMs);
  }
  random(): number {
    return this.host.world.random();
  }
  freshId(length: number): string {
    return this.host.world.freshId(length);
  }

  timer(ms: number, fn: () => void): Timer {
    return this.#timer(ms, fn, false);
  }

  /** A job's own pause. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#timer(ms, resolve, true));
  }

  #timer(ms: number, fn: () => void, isJobs: boolean): Timer {
    const pending = { dueMs: this.monoMs() + Math.max(1, ms), order: ++this.#order, fn, isJobs };
    this.#timers.push(pending);
    this.#wakeBy(pending.dueMs);
    return { cancel: () => void (this.#timers = this.#timers.filter((one) => one !== pending)) };
  }

  afterInput(fn: () => void): void {
    this.#afterInput.push(fn);
    this.#wakeBy(this.monoMs());
  }

  /** Something arrived for this thread: a message, bytes, the end of a connection. */
  input(fn: () => void): void {
    this.#input.push(fn);
    this.#wakeBy(this.monoMs());
  }

  /** The code that awaits it runs on after that time, and nothing else in this thread does until then. */
  block(ms: number): Promise<void> {
    this.#busyUntilMs = this.monoMs() + ms;
    this.#wakeBy(this.#busyUntilMs);
    return new Promise((resolve) => {
      const earlier = this.#resume;
      this.#resume = () => (earlier?.(), resolve());
    });
  }

  /** The process goes on, or something changed: look whether there is something to do. */
  wake(): void {
    this.#wakeBy(this.monoMs());
  }

  kill(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#timers = [];
    this.#input = [];
    this.#afterInput = [];
    for (const fn of this.#onDeath) fn();
  }

  /** What the operating system does when the thread is gone: closes its sockets. */
  onDeath(fn: () => void): void {
    this.#onDeath.push(fn);
  }

  #wakeBy(atMs: number): void {
    if (this.#isDead || this.#isTurning || (this.#wake && this.#wake.atMs <= atMs)) return;
    this.#wake?.event.cancel();
    const { world } = this.host;
    // The scheduler of a busy machine lets a thread wait now and then.
    const lateMs = world.chance(0.02) ? world.between(0, 40) : world.between(0, 0.3);
    const at = Math.max(atMs, world.nowMs, this.#busyUntilMs) + lateMs;
    this.#wake = { atMs, event: world.at(at, () => this.#turn()) };
  }

  async #turn(): Promise<void> {
    this.#wake = undefined;
    if (this.#isDead || this.host.isStopped) return;
    this.#isTurning = true;
    for (const next of this.#tasks()) {
      next();
      await drain();
    }
    this.#isTurning = false;
    if (this.#isDead) return;
    if (this.#input.length + this.#afterInput.length > 0 || this.#resume) this.#wakeBy(this.monoMs());
    else if (this.#timers.length > 0) this.#wakeBy(Math.min(...this.#timers.map(({ dueMs }) => dueMs)));
  }

  *#tasks(): Generator<() => void> {
    const mayRun = () => !this.#isDead && !this.host.isStopped && this.#busyUntilMs <= this.monoMs();
    if (this.#resume && mayRun()) {
      const resume = this.#resume;
      this.#resume = undefined;
      yield resume;
    }
    for (let due = this.#due(); due && mayRun(); due = this.#due()) {
      this.#timers = this.#timers.filter((one) => one !== due);
      yield due.fn;
    }
    for (let left = this.#input.length; left > 0 && mayRun(); left--) yield this.#input.shift()!;
    for (let left = this.#afterInput.length; left > 0 && mayRun(); left--) yield this.#afterInput.shift()!;
  }

  #due(): Pending | undefined {
    let first: Pending | undefined;
    for (const one of this.#timers) {
      if (one.dueMs > this.monoMs()) continue;
      if (!first || one.dueMs < first.dueMs || (one.dueMs === first.dueMs && one.order < first.order)) first = one;
    }
    return first;
  }
}
