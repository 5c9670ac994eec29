import assert from "node:assert/strict";
import { executionAsyncResource } from "node:async_hooks";
import { test } from "node:test";
import { LockModeError, LockStatus, ReentryError, type Lease } from "../src/index.js";
import { HeldContext, type HeldKey } from "../src/held-context.js";
import { lockersForFile } from "./support/file-lockers.js";
import { newKey, take } from "./support/lockers.js";
import { withDeadline } from "./support/wait.js";

const { lockers } = await lockersForFile({}, {});
const [locker, other] = lockers;

const fail = (): never => assert.fail("it ran");

test("acquiring a key that the running task holds is a ReentryError at once, in every way", async () => {
  const key = newKey();
  await locker.mutex(key, async () => {
    const isRefusal = (error: unknown) => error instanceof ReentryError && error.key === key;
    await assert.rejects(locker.mutex(key, fail), isRefusal);
    await assert.rejects(locker.acquireAndRun(key, fail), isRefusal);
    await assert.rejects(locker.acquire(key, { waitMs: Infinity }), isRefusal);
    await assert.rejects(locker.acquireAll([newKey(), key]), isRefusal);
    await Promise.resolve().then(() => assert.rejects(locker.mutex(key, fail), isRefusal));
  });
  await locker.acquireAllAndRun([key, newKey()], () => assert.rejects(locker.mutex(key, fail), ReentryError));
  await locker.acquireAndRun(key, () => assert.rejects(locker.mutex(key, fail), ReentryError));
});

test("with reentrant the task gets its own lease, whose end stays with the outer job", async () => {
  const key = newKey();
  await locker.mutex(key, async (_beat, outer) => {
    const inner = await locker.mutex(key, (_heartbeat, lease) => lease, { reentrant: true });
    assert.equal(inner.fencingToken, outer.fencingToken);
    const acquired = await locker.acquire(key, { reentrant: true });
    assert.ok(acquired.status === LockStatus.SUCCESS);
    await acquired.lease.heartbeat();
    await acquired.lease.release();
    acquired.lease.assertHeld();
    assert.deepEqual([acquired.lease.key, acquired.lease.state, acquired.lease.signal], [key, "held", outer.signal]);
    const ran = await locker.acquireAndRun(key, () => 7, { reentrant: true });
    assert.deepEqual(ran, { status: "SUCCESS", result: 7, heldToTheEnd: true });
    assert.equal((await other.readHolder(key))?.fencingToken, outer.fencingToken);
  });
  assert.equal(await other.readHolder(key), undefined);
});

test("another task of the same process waits as everybody does", async () => {
  const key = newKey();
  let end: (() => void) | undefined;
  const first = locker.mutex(key, () => new Promise<void>((resolve) => (end = resolve)));
  const second = locker.mutex(key, () => "second", { reentrant: true });
  await new Promise((resolve) => setImmediate(resolve));
  const third = locker.acquire(key, { reentrant: true });
  assert.equal((await third).status, LockStatus.SOMEONE_ELSE_HOLDS_LOCK);
  end?.();
  await first;
  assert.equal(await withDeadline(second, 5_000, "the second"), "second");
});

test("a lease that was given back, or a handle that has no scope, is not held by the task", async () => {
  const key = newKey();
  await locker.mutex(key, async (_beat, lease) => {
    await lease.release();
    assert.equal(await locker.mutex(key, () => "again"), "again");
  });
  let later: Promise<string> | undefined;
  await locker.mutex(key, () => {
    later = new Promise((resolve) => setImmediate(resolve)).then(() => locker.mutex(key, () => "outlived it"));
  });
  assert.equal(await later, "outlived it");
  await using _lease = await take(locker, key);
  assert.equal((await locker.acquire(key)).status, LockStatus.SOMEONE_ELSE_HOLDS_LOCK);
});

function held(key: string, mode: HeldKey["mode"], units = 1): HeldKey {
  return { key, mode, units, leaseNumber: 1, lease: {} as Lease, isOver: () => false };
}

test("no lease is upgraded in place: the error says to release it and to acquire exclusively", () => {
  const context = new HeldContext();
  const asked = { key: "k", mode: "exclusive", units: 1, reentrant: true } as const;
  const reading = held("k", "shared");
  context.run([reading], () => {
    for (const reentrant of [true, false]) {
      assert.throws(
        () => context.reenter({ ...asked, reentrant }),
        (error) => {
          assert.ok(error instanceof LockModeError);
          assert.deepEqual([error.key, error.option, error.value], ["k", "mode", "exclusive"]);
          assert.match(error.message, /release it and acquire exclusively$/);
          return true;
        },
      );
    }
    assert.equal(context.reenter({ ...asked, mode: "shared" }), reading);
  });
  const writing = held("k", "exclusive");
  context.run([writing], () => assert.equal(context.reenter({ ...asked, mode: "shared" }), writing));
});

test("permits are re-entered for as many as the task holds", () => {
  const context = new HeldContext();
  const two = held("k", "permits", 2);
  const asked = { key: "k", mode: "permits", units: 2, reentrant: true } as const;
  context.run([two], () => {
    assert.equal(context.reenter(asked), two);
    assert.throws(
      () => context.reenter({ ...asked, units: 3 }),
      /permits\.take \(3\) of "k" .*acquire as many at once/,
    );
    assert.throws(() => context.reenter({ ...asked, reentrant: false }), ReentryError);
    assert.equal(context.reenter({ ...asked, mode: "exclusive", units: 1 }), undefined);
  });
});

test("scopes nest, and end with their job", async () => {
  const context = new HeldContext();
  const [a, b] = [held("a", "exclusive"), held("b", "exclusive")];
  assert.deepEqual(context.held, []);
  await context.run([a], async () => {
    await context.run([b], async () => {
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(context.held, [b, a]);
      assert.equal(context.find("a"), a);
    });
    assert.deepEqual(context.held, [a]);
  });
  assert.deepEqual(context.held, []);
});

test("lockers do not add up: each sees what it holds itself, and all share what every promise pays for", async () => {
  const contexts = Array.from({ length: 50 }, () => new HeldContext());
  const marks = () => Object.getOwnPropertySymbols(executionAsyncResource()).length;
  await Promise.resolve();
  const marksBefore = marks();
  const nest = async (i: number): Promise<void> => {
    const context = contexts[i];
    if (context) {
      const held = { key: `key ${i}`, isOver: () => false } as HeldKey;
      return context.run([held], () => nest(i + 1));
    }
    await Promise.resolve();
    assert.ok(marks() <= marksBefore + 1, `${marks()} marks, and ${marksBefore} before`);
    const keys = contexts.flatMap((one) => one.held.map(({ key }) => key));
    assert.deepEqual(
      keys,
      contexts.map((_, n) => `key ${n}`),
    );
  };
  await nest(0);
});
