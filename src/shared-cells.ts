/**
 * The memory both threads see. Each cell has one writer. Times are ms of the shared monotonic clock (or the wall
 * clock) cut to 32 bits: an Int32 is read without allocating, a BigInt64 is not; a difference of two is right up to
 * 24 days.
 *
 * The order of the accesses is part of the protocol. The worker raises the epoch before it writes any later trust;
 * the reader takes the clock first, then the deadlines, the epoch last. Any other order can pair an old epoch with a
 * new deadline, or an old clock with a later one, and say yes to a lease that is lost.
 */
const CELL = {
  /** Written by the worker: how often something happened after which a lease must be looked at again. */
  epoch: 0,
  /** Written by the worker: until when the session may be trusted, monotonic and wall clock. */
  trustedUntilMono: 1,
  trustedUntilWall: 2,
  /** Written by the worker: grows while its event loop runs. */
  workerTick: 3,
  /** Written by the worker: when one of its connections last broke. */
  brokenAt: 4,
  /** Written by the main thread: grows while its event loop runs. */
  mainTick: 5,
  /** Written by the main thread: leases whose job has not ended. */
  jobs: 6,
  /** Written by the main thread: every lease was judged for this epoch. */
  judgedEpoch: 7,
  /** Written by the main thread: the longest that a lease of this locker was ever to outlive its last renewal, ms. */
  lockTtlMsMax: 8,
  /** Written by the worker: how many session ids were used, also by runs that died before they could tell. */
  sessions: 9,
} as const;

export class SharedCells {
  readonly buffer: SharedArrayBuffer;
  readonly #cells: Int32Array;
  readonly #trustMsMax: number;

  /** `trustMsMax`: a deadline further away than that is none, but a stale number (or a clock that was set back). */
  constructor(trustMsMax: number, buffer = new SharedArrayBuffer(Object.keys(CELL).length * 4)) {
    this.buffer = buffer;
    this.#cells = new Int32Array(buffer);
    this.#trustMsMax = trustMsMax;
  }

  readEpoch(): number {
    return Atomics.load(this.#cells, CELL.epoch);
  }
  raiseEpoch(): number {
    return Atomics.add(this.#cells, CELL.epoch, 1) + 1;
  }

  /** Whether both deadlines lie ahead of these two clock readings, which were taken before the call. */
  isTrusted(monoMs: number, wallMs: number): boolean {
    const mono = (Atomics.load(this.#cells, CELL.trustedUntilMono) - monoMs) | 0;
    const wall = (Atomics.load(this.#cells, CELL.trustedUntilWall) - wallMs) | 0;
    return mono > 0 && mono <= this.#trustMsMax && wall > 0 && wall <= this.#trustMsMax;
  }
  writeTrust(sentMonoMs: number, sentWallMs: number, trustMs: number): void {
    Atomics.store(this.#cells, CELL.trustedUntilMono, Math.floor(sentMonoMs + trustMs) | 0);
    Atomics.store(this.#cells, CELL.trustedUntilWall, Math.floor(sentWallMs + trustMs) | 0);
  }
  endTrust(monoMs: number, wallMs: number): void {
    Atomics.store(this.#cells, CELL.trustedUntilMono, Math.floor(monoMs - 1) | 0);
    Atomics.store(this.#cells, CELL.trustedUntilWall, Math.floor(wallMs - 1) | 0);
  }

  readWorkerTick(): number {
    return Atomics.load(this.#cells, CELL.workerTick);
  }
  tickWorker(): void {
    Atomics.add(this.#cells, CELL.workerTick, 1);
  }

  readBrokenAgoMs(monoMs: number): number {
    const at = Atomics.load(this.#cells, CELL.brokenAt);
    return at === 0 ? Infinity : Math.max(0, (monoMs - at) | 0);
  }
  writeBrokenAt(monoMs: number): void {
    Atomics.store(this.#cells, CELL.brokenAt, Math.floor(monoMs) | 0 || 1);
  }
  /** Long ago: before a difference of 32 bits can no longer tell. */
  forgetBroken(): void {
    Atomics.store(this.#cells, CELL.brokenAt, 0);
  }

  readMainTick(): number {
    return Atomics.load(this.#cells, CELL.mainTick);
  }
  tickMain(): void {
    Atomics.add(this.#cells, CELL.mainTick, 1);
  }

  /** The number of the next session of this locker: one that was handed out is never handed out again. */
  takeSessionNumber(): number {
    return Atomics.add(this.#cells, CELL.sessions, 1) + 1;
  }

  readJobs(): number {
    return Atomics.load(this.#cells, CELL.jobs);
  }
  writeJobs(count: number): void {
    Atomics.store(this.#cells, CELL.jobs, count);
  }

  readLockTtlMsMax(): number {
    return Atomics.load(this.#cells, CELL.lockTtlMsMax);
  }
  raiseLockTtl(lockTtlMs: number): void {
    if (lockTtlMs > this.readLockTtlMsMax()) Atomics.store(this.#cells, CELL.lockTtlMsMax, lockTtlMs);
  }

  readJudgedEpoch(): number {
    return Atomics.load(this.#cells, CELL.judgedEpoch);
  }
  writeJudgedEpoch(epoch: number): void {
    Atomics.store(this.#cells, CELL.judgedEpoch, epoch);
  }
}
