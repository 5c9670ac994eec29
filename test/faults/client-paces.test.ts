// How often a waiter really asks, as the server counts it, while something lasts that it cannot do anything about.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import type { Redis } from "ioredis";
import type { Locker } from "../../src/index.js";
import { findBusy, newKey, newPrefix, openLocker, take } from "../support/lockers.js";
import { countCommands } from "../support/monitor.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";

const prefix = newPrefix();
const SECONDS = 2;
let server: RedisServer;
let redis: Redis;
let locker: Locker;
let other: Locker;

before(async () => {
  server = await startRedis();
  redis = server.client();
  locker = openLocker(server.url, prefix);
  other = openLocker(server.url, prefix);
  await Promise.all([locker, other].map(async (each) => (await take(each, newKey())).release()));
});
after(async () => {
  await Promise.all([locker.close(), other.close()]);
  await server[Symbol.asyncDispose]();
});

/** Script calls a second that are about that key's waiter, and none of the pings. */
async function paceOf(key: string): Promise<number> {
  const stop = new AbortController();
  const waiting = locker.acquire(key, { waitMs: 60_000, signal: stop.signal });
  waiting.catch(() => undefined);
  const { commands } = await countCommands(server.url, SECONDS * 1_000);
  stop.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
  const connections = new Set(commands.filter(({ text }) => text.includes(`l:${key}"`)).map(({ source }) => source));
  return commands.filter(({ source }) => connections.has(source)).length / SECONDS;
}

/** The record of a lease, with some of its fields replaced. */
async function forge(key: string, change: (fields: string[]) => string[]): Promise<void> {
  const fields = ((await redis.get(`${prefix}l:${key}`)) ?? "").split(" ");
  await redis.set(`${prefix}l:${key}`, change(fields).join(" "), "PX", 60_000);
}

test("a waiter for a living holder asks once or twice a second, and looks once, being the first", async () => {
  await using lease = await take(other, newKey());
  const pace = await paceOf(lease.key);
  assert.ok(pace >= 1 && pace <= 4, `${pace} commands a second`);
});

test("a holder's record whose token cannot be said back is not asked for hot", async () => {
  await using lease = await take(other, newKey());
  await forge(lease.key, (fields) => fields.with(2, "gone.1").with(4, "007"));
  const pace = await paceOf(lease.key);
  assert.ok(pace > 2 && pace <= 50, `${pace} commands a second`);
  await redis.del(`${prefix}l:${lease.key}`);
});

test("a dead process whose socket somebody else keeps open is not asked for hot", async () => {
  await using lease = await take(other, newKey());
  const { holder } = await findBusy(locker, lease.key);
  const dead = spawn("true");
  await once(dead, "exit");
  await redis.hset(`${prefix}s:${holder.sessionId}`, { pid: String(dead.pid), startTime: "1" });
  const pace = await paceOf(lease.key);
  assert.ok(pace > 2 && pace <= 50, `${pace} commands a second`);
});
