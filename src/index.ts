// The public surface, grouped for the reader. Everything else is internal.

export { Locker, LockStatus } from "./locker.js";
export type { AcquireResult, Busy, DrainResult, Job, RunResult } from "./locker.js";
export type { AcquireOptions, LockerOptions, ModuleLocation } from "./options.js";
export type { Heartbeat, Lease, LeaseState } from "./lease.js";
export type { Holder } from "./databases/database.js";

export {
  DrainingSignal,
  LockerClosedError,
  LockError,
  LockTimeoutError,
  LockUnsureError,
  OptionError,
  StoreError,
} from "./errors.js";
export type { LockErrorCode, StoreErrorCode } from "./errors.js";

export type { Database } from "./databases/database.js";
export { RedisDatabase } from "./databases/redis/redis-database.js";
export type { RedisDatabaseSettings, RedisSource } from "./databases/redis/redis-database.js";

export type { Condemned, Events } from "./events.js";
