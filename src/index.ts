// The public surface, grouped for the reader. Everything else is internal.

export { Locker, type Job } from "./locker.js";
export { LockStatus } from "./outcome.js";
export type { AcquireAllResult, AcquireResult, Busy, RunResult } from "./outcome.js";
export type { DrainResult } from "./ending.js";
export type { AcquireAllOptions, AcquireOptions, PermitOptions } from "./acquire-options.js";
export type { LockerOptions, ModuleLocation } from "./options.js";
export type { KeyWanted } from "./many-keys.js";
export type { RevokeOptions, RevokeResult } from "./revocation.js";
export type { LeaseGroup } from "./lease-group.js";
export type { Heartbeat, Lease, LeaseState } from "./lease.js";
export type { Holder } from "./databases/database.js";

export {
  DeadlockError,
  DrainingSignal,
  LockerClosedError,
  LockError,
  LockModeError,
  LockTimeoutError,
  LockUnsureError,
  OptionError,
  ReentryError,
  StoreError,
} from "./errors.js";
export type { LockErrorCode, StoreErrorCode, WaitInCycle } from "./errors.js";

export type { Database } from "./databases/database.js";
export { PostgresDatabase } from "./databases/postgres/postgres-database.js";
export type {
  PostgresDatabaseSettings,
  PostgresOptions,
  PostgresSource,
} from "./databases/postgres/postgres-database.js";
export { RedisDatabase } from "./databases/redis/redis-database.js";
export type { RedisDatabaseSettings } from "./databases/redis/redis-database.js";
export type { ReplicaSettings } from "./databases/redis/replicas.js";
export type { RedisClusterSource, RedisSource } from "./databases/redis/source.js";
export { SqliteDatabase } from "./databases/local/sqlite/sqlite-database.js";
export type { SqliteDatabaseSettings } from "./databases/local/sqlite/sqlite-database.js";
export { MemoryDatabase } from "./databases/local/memory/memory-database.js";
export type { MemoryDatabaseSettings } from "./databases/local/memory/memory-database.js";
export { TieredDatabase } from "./databases/tiers/tiered-database.js";
export type { TieredDatabaseSettings } from "./databases/tiers/tiered-database.js";

export type { Condemned, Events } from "./events.js";
