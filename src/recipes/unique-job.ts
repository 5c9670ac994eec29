import { LockStatus } from "../index.js";
import type { AcquireOptions, Busy, Lease, Locker } from "../index.js";
import { check, checkMs } from "./checks.js";

const FORMS = [
  "until-executing",
  "until-executed",
  "until-expired",
  "until-and-while-executing",
  "while-executing",
] as const;

/**
 * Between a job's submission and its execution lies a queue; the forms differ in when a twin is refused.
 *
 * | form | from | until | a twin |
 * | --- | --- | --- | --- |
 * | until-executing | submission | execution begins | is refused |
 * | until-executed | submission | execution has ended | is refused |
 * | until-expired | submission | `forMs` later, or the end of execution if that is later | is refused |
 * | until-and-while-executing | submission | execution begins | is refused; later ones wait for the end |
 * | while-executing | execution begins | execution has ended | waits |
 */
export type UniqueForm = (typeof FORMS)[number];

export type UniqueOptions = Pick<AcquireOptions, "trace" | "lockTtlMs" | "signal"> & {
  /**
   * For how long after its submission a twin is refused, ms; of until-expired alone, and needed there. A job that fails
   * can be submitted again at once.
   */
  forMs?: number;
  /** What the job passes through before it is executed, e.g. `(run) => pQueue.add(run)`. Default: nothing. */
  queue?: <T>(run: () => Promise<T>) => Promise<T>;
};

/** What is executed; without a lease in the form until-executing, which ends as execution begins. */
export type UniqueJob<T> = (lease?: Lease) => Promise<T> | T;

export type UniqueResult<T> = { status: typeof LockStatus.SUCCESS; result: T } | Busy;

type Queue = NonNullable<UniqueOptions["queue"]>;

/** Under it those of the form until-and-while-executing wait for each other. */
const turnSuffix = " executes";

/**
 * Submits the job unless a twin is in its way, and answers when it was executed. What is queued keeps its lease, and is
 * not executed without it: then the promise rejects with the LockError. As every lease, that of a queued job ends with
 * its process, so a job that was lost in a crash can be submitted again. Use one form for a key.
 */
export async function runUnique<T>(
  locker: Locker,
  key: string,
  form: UniqueForm,
  fn: UniqueJob<T>,
  options: UniqueOptions = {},
): Promise<UniqueResult<T>> {
  const { queue = (run) => run(), forMs, ...wanted } = options;
  check(FORMS.includes(form), "form", form, `must be one of ${FORMS.join(", ")}`);
  if (form === "until-expired") checkMs("forMs", forMs, 1);
  else check(forMs === undefined, "forMs", forMs, "goes with until-expired alone");
  switch (form) {
    case "until-executed":
    case "until-expired": {
      const kept = { ...wanted, minHoldMs: forMs ?? 0 };
      return locker.acquireAndRun(key, (_heartbeat, lease) => untilEnd(lease, queue, fn), kept);
    }
    case "until-executing":
      return untilBegin(locker, key, wanted, (lease) =>
        whileQueued(lease, (begin) =>
          queue(async () => {
            await begin();
            await lease.release();
            return fn();
          }),
        ),
      );
    case "until-and-while-executing":
      return untilBegin(locker, key, wanted, (lease) =>
        whileQueued(lease, (begin) => queue(() => takeTurn(locker, `${key}${turnSuffix}`, lease, begin, fn, wanted))),
      );
    case "while-executing": {
      const run = (): Promise<T> => locker.mutex(key, (_heartbeat, turn) => fn(turn), wanted);
      return { status: LockStatus.SUCCESS, result: await queue(run) };
    }
  }
}

/** The lease ends in the midst of what is run under it. */
async function untilBegin<T>(
  locker: Locker,
  key: string,
  wanted: AcquireOptions,
  run: (lease: Lease) => Promise<T>,
): Promise<UniqueResult<T>> {
  const acquired = await locker.acquire(key, wanted);
  if (acquired.status !== LockStatus.SUCCESS) return acquired;
  await using lease = acquired.lease;
  return { status: LockStatus.SUCCESS, result: await run(lease) };
}

function untilEnd<T>(lease: Lease, queue: Queue, fn: UniqueJob<T>): Promise<T> {
  return whileQueued(lease, (begin) =>
    queue(async () => {
      await begin();
      return fn(lease);
    }),
  );
}

/** The turn first: else, while one waits for it, another could be queued behind that one. */
function takeTurn<T>(
  locker: Locker,
  turnKey: string,
  lease: Lease,
  begin: () => Promise<void>,
  fn: UniqueJob<T>,
  wanted: AcquireOptions,
): Promise<T> {
  return locker.mutex(
    turnKey,
    async (_heartbeat, turn) => {
      await begin();
      await lease.release();
      return fn(turn);
    },
    wanted,
  );
}

/** Beats until `begin` is called, or what is queued has ended otherwise. `begin` rejects when the lease is lost. */
async function whileQueued<T>(lease: Lease, enqueue: (begin: () => Promise<void>) => Promise<T>): Promise<T> {
  let begun!: () => void;
  const executing = new Promise<void>((resolve) => (begun = resolve));
  const run = enqueue(async () => {
    await lease.heartbeat();
    begun();
  });
  run.catch(() => undefined); // after a loss in the queue nobody awaits it any more
  await lease.heartbeat.during(Promise.race([executing, run]));
  return run;
}
