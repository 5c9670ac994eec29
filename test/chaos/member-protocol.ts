// What the harness and its member processes say to each other. All of it crosses as JSON.

import type { RedisOptions } from "ioredis";
import type {
  PostgresDatabaseSettings,
  RedisClusterSource,
  RedisDatabaseSettings,
  SqliteDatabaseSettings,
  TieredDatabaseSettings,
} from "../../src/index.js";
import type { MemberLimits } from "./fleets.js";

export type MemberSetup = {
  readonly name: string;
  readonly journalPath: string;
  readonly seed: number;
  readonly keys: readonly string[];
  /** Jobs at a time. */
  readonly loops: number;
  readonly limits: MemberLimits;
  readonly registerUrl: string;
  readonly registerPrefix: string;
};

/** How to reach the store, in an environment variable, since both threads of a member read it when they import. */
export type DatabaseDescription = StoreDescription & {
  /** Set: what the member says of its host, so that no peer can prove by a pid that it is dead. */
  host?: string;
};
type StoreDescription =
  | { backend: "redis"; url: string; settings: RedisDatabaseSettings }
  | { backend: "sentinel"; source: RedisOptions; settings: RedisDatabaseSettings }
  | { backend: "cluster"; source: RedisClusterSource; settings: RedisDatabaseSettings }
  | { backend: "postgres"; url: string; settings: PostgresDatabaseSettings }
  | { backend: "sqlite"; path: string; settings: SqliteDatabaseSettings }
  | {
      backend: "tiers";
      redis: StoreDescription;
      postgres: StoreDescription;
      settings: TieredDatabaseSettings;
    };
export const descriptionVariable = "PULSELOCK_CHAOS_DATABASE";

/** An order to the worker's thread. It is carried out there after `inMs`, whatever the main thread does by then. */
export type WorkerOrder = { what: "throw" | "exit" | "stall"; inMs: number; forMs: number };

/**
 * An order that arrives later than this after it was given is not carried out, ms: the process was stopped or busy, and
 * a fault outside of its time would be one that the history does not tell of.
 */
export const orderMsMax = 250;
/** Between the threads of a member: an order that the worker's thread takes at once, or not at all, and its answer. */
export type PostedOrder = WorkerOrder & { id: number; untilMs: number };
export type OrderHeard = { heard: number };
export const orderChannel = "pulselock-chaos-worker";
