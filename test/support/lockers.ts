// Lockers with small limits, so that a test sees in a second what takes ten with the defaults.

import { randomUUID } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Redis } from "ioredis";
import { Locker, LockStatus, RedisDatabase } from "../../src/index.js";
import type {
  AcquireOptions,
  Busy,
  Events,
  Lease,
  LockerOptions,
  RedisDatabaseSettings,
  RedisSource,
} from "../../src/index.js";
import type { LockerSpec } from "./fixtures/locker-process.js";
import { spawnChild, type Child, type ChildOptions } from "./child.js";
import { waitUntil } from "./wait.js";

export const fastLimits = {
  sessionTtlMs: 2_000,
  pingIntervalMs: 100,
  disconnectGraceMs: 500,
  lockTtlMs: 60_000,
} as const satisfies Partial<LockerOptions>;

export const fastSettings = { recoveryMs: 700, commandTimeoutMs: 1_000 } as const satisfies RedisDatabaseSettings;

/** Each file has a namespace of its own, since the first use of one pays its recovery window. */
export function newPrefix(): string {
  return `t${randomUUID().slice(0, 8)}:`;
}

export function openLocker(source: RedisSource, prefix: string, options: Partial<LockerOptions> = {}): Locker {
  return new Locker({ database: new RedisDatabase(source, { ...fastSettings, prefix }), ...fastLimits, ...options });
}

/** A key that no other test uses. */
export function newKey(name = "key"): string {
  return `${name}-${randomUUID().slice(0, 8)}`;
}

/** Acquires what must be free. */
export async function take(locker: Locker, key: string, options: AcquireOptions = {}): Promise<Lease> {
  const acquired = await locker.acquire(key, options);
  if (acquired.status !== LockStatus.SUCCESS) throw new Error(`${key} is held: ${JSON.stringify(acquired.holder)}`);
  return acquired.lease;
}

/** Acquires what must be held. */
export async function findBusy(locker: Locker, key: string, options: AcquireOptions = {}): Promise<Busy> {
  const acquired = await locker.acquire(key, options);
  if (acquired.status === LockStatus.SUCCESS) throw new Error(`${key} was free`);
  return acquired;
}

/** Everything published under that name until disposed of. Of all lockers of this process: look for the key. */
export function record<Name extends keyof Events>(name: Name): { events: Events[Name][] } & Disposable {
  const events: Events[Name][] = [];
  const onMessage = (message: unknown): void => void events.push(message as Events[Name]);
  subscribe(`pulselock:${name}`, onMessage);
  return { events, [Symbol.dispose]: () => void unsubscribe(`pulselock:${name}`, onMessage) };
}

/** The key is free, as a bystander sees it. */
export function untilFree(locker: Locker, key: string, deadlineMs = 5_000): Promise<unknown> {
  return waitUntil(() => locker.readHolder(key), undefined, { deadlineMs, what: `the holder of ${key}` });
}

/** How many wait for the key, as the store has it: each entry is a field named by its number. */
export async function queueLength(client: Redis, prefix: string, key: string): Promise<number> {
  return (await client.hkeys(`${prefix}q:${key}`)).filter((name) => /^\d+$/.test(name)).length;
}

/**
 * What peers do to a session they condemn, in one step and without waiting for it to fall silent: condemned, and its
 * lease of `key` granted to the session that holds `thiefKey`. Returns the thief's fencing token.
 */
export async function condemnAndTake(client: Redis, prefix: string, key: string, thiefKey: string): Promise<number> {
  const [raw, thief] = await client.mget(`${prefix}l:${key}`, `${prefix}l:${thiefKey}`);
  const fields = (raw ?? "").split(" ");
  const [, , sessionId = "", , token = ""] = fields;
  const taken = fields
    .with(2, (thief ?? "").split(" ")[2] ?? "")
    .with(3, "1000000")
    .with(4, String(Number(token) + 1));
  await client
    .multi()
    .hset(`${prefix}s:${sessionId}`, "dead", String(Date.now()))
    .set(`${prefix}l:${key}`, taken.join(" "), "PX", 60_000)
    .exec();
  return Number(token) + 1;
}

/** A process with a locker of small limits in it; see fixtures/locker-process.ts for what it can be asked. */
export async function spawnLocker(
  source: LockerSpec["source"],
  prefix: string,
  options: Partial<LockerOptions> = {},
  childOptions: ChildOptions = {},
  settings: RedisDatabaseSettings = {},
): Promise<Child> {
  const child = await spawnChild(new URL("./fixtures/locker-process.js", import.meta.url), childOptions);
  const spec: LockerSpec = {
    source,
    settings: { ...fastSettings, ...settings, prefix },
    locker: { ...fastLimits, ...options },
  };
  await child.request("open", spec);
  return child;
}
