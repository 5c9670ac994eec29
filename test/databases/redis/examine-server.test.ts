import assert from "node:assert/strict";
import test from "node:test";
import type { ScriptConnection } from "../../../src/databases/redis/connection.js";
import { RedisKeys } from "../../../src/databases/redis/keys.js";
import { RedisLiveness } from "../../../src/databases/redis/redis-liveness.js";
import { FakeClock } from "../../support/fake-clock.js";

/** What the worker's connection says of a server that describes itself like this. */
async function examine(info: string, allowEviction = false): Promise<string> {
  const unused = () => Promise.reject(new Error("nothing is asked for here"));
  const open = (): ScriptConnection => ({
    ...{
      ready: Promise.resolve(),
      run: unused,
      get: unused,
      subscribe: unused,
      unsubscribe: unused,
      close: () => undefined,
    },
    info: () => Promise.resolve(info),
  });
  const events = { onPush: () => undefined, onClose: () => undefined };
  const liveness = new RedisLiveness(open, new RedisKeys("t:"), allowEviction, { clock: new FakeClock() }, events);
  return liveness.ready.then(
    () => "fine",
    (error: { code: string }) => error.code,
  );
}

test("a server that may evict our records is refused unless that was asked for", async () => {
  assert.equal(await examine("redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\n"), "fine");
  assert.equal(await examine("redis_version:7.0.15\r\n"), "fine");
  for (const policy of ["allkeys-lru", "volatile-ttl"]) {
    const info = `redis_version:7.0.15\r\nmaxmemory_policy:${policy}\r\n`;
    assert.equal(await examine(info), "eviction-policy");
    assert.equal(await examine(info, true), "fine");
  }
});

test("a server older than 6.2 is refused", async () => {
  assert.equal(await examine("redis_version:6.0.16\r\n"), "unsupported");
  assert.equal(await examine("redis_version:6.2.0\r\n"), "fine");
});
