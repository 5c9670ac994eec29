import type { Holder } from "./databases/database.js";
import type { LeaseGroup } from "./lease-group.js";
import type { Lease } from "./lease.js";

/** How an acquire ended. The values are the words on the wire. */
export const LockStatus = { SUCCESS: "SUCCESS", SOMEONE_ELSE_HOLDS_LOCK: "SOMEONE_ELSE_HOLDS_LOCK" } as const;
export type LockStatus = (typeof LockStatus)[keyof typeof LockStatus];

export type Busy = { status: typeof LockStatus.SOMEONE_ELSE_HOLDS_LOCK; holder: Holder };
export type AcquireResult = { status: typeof LockStatus.SUCCESS; lease: Lease } | Busy;
export type RunResult<T> =
  | {
      status: typeof LockStatus.SUCCESS;
      result: T;
      /** False when the lease was lost while the job ran on without noticing. */
      heldToTheEnd: boolean;
    }
  | Busy;
export type AcquireAllResult = { status: typeof LockStatus.SUCCESS; group: LeaseGroup } | Busy;
