// What an application's unit tests rely on, beside the contract.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Locker, LockStatus, MemoryDatabase, OptionError } from "../../../src/index.js";
import { fastLimits, newKey, take } from "../../support/lockers.js";

test("a new one grants at once, without a thread, and nothing is left once it is closed", async () => {
  const startedMs = performance.now();
  const locker = new Locker({ database: new MemoryDatabase(), ...fastLimits });
  await locker.acquireAndRun(newKey(), (heartbeat) => heartbeat());
  assert.ok(performance.now() - startedMs < 500, "no recovery window");
  assert.equal(process.getActiveResourcesInfo().includes("MessagePort"), false, "no thread");
  await locker.close();
  assert.deepEqual(
    process.getActiveResourcesInfo().filter((name) => name === "Timeout"),
    [],
  );
});

test("lockers that are given one object contend; those of another do not", async () => {
  const database = new MemoryDatabase();
  await using one = new Locker({ database, ...fastLimits });
  await using two = new Locker({ database, ...fastLimits });
  await using other = new Locker({ database: new MemoryDatabase(), ...fastLimits });
  const lease = await take(one, "key");
  const busy = await two.acquire("key");
  assert.ok(busy.status === LockStatus.SOMEONE_ELSE_HOLDS_LOCK);
  assert.equal(busy.holder.pid, process.pid);
  await (await take(other, "key")).release();
  const waiting = two.acquire("key", { waitMs: 10_000 });
  await lease.release();
  const granted = await waiting;
  assert.ok(granted.status === LockStatus.SUCCESS && granted.lease.fencingToken > lease.fencingToken);
  await granted.lease.release();
});

test("those that name it by its URL share the one of this process", async () => {
  await using one = new Locker({ database: "memory:", ...fastLimits });
  await using two = new Locker({ database: "memory:", ...fastLimits });
  const key = newKey();
  const lease = await take(one, key);
  assert.equal((await two.acquire(key)).status, LockStatus.SOMEONE_ELSE_HOLDS_LOCK);
  await lease.release();
});

test("a store that forgets everything loses no job, which outlives its trust", async () => {
  const database = new MemoryDatabase({ recoveryMs: 700 });
  await using locker = new Locker({ database, ...fastLimits });
  const outcome = await locker.acquireAndRun(newKey(), async (heartbeat, lease) => {
    database.store.forget();
    await heartbeat.delay(1_000); // waits: longer than the recovery window
    return lease.state;
  });
  assert.deepEqual(outcome, { status: LockStatus.SUCCESS, result: "held", heldToTheEnd: true });
});

test("an option it does not have is refused", () => {
  assert.throws(() => new MemoryDatabase({ prefix: "a" } as object), OptionError);
  assert.throws(() => new MemoryDatabase({ recoveryMs: 0 }), OptionError);
});
