import assert from "node:assert/strict";
import { test } from "node:test";
import { LockModeError, LockStatus } from "../src/index.js";
import { withAncestors } from "../src/hierarchy.js";
import { lockersForFile } from "./support/file-lockers.js";
import { newKey, take, untilFree } from "./support/lockers.js";

const { lockers } = await lockersForFile({}, {});
const [locker, other] = lockers;
const hierarchical = { hierarchical: true } as const;

test("a path is held with all that lies above it shared, from the top down", () => {
  assert.deepEqual(withAncestors("doc/12/para", "exclusive"), [
    { key: "doc", mode: "shared" },
    { key: "doc/12", mode: "shared" },
    { key: "doc/12/para", mode: "exclusive" },
  ]);
  assert.deepEqual(withAncestors("doc", "shared"), [{ key: "doc", mode: "shared" }]);
});

test("paths beside each other are held at once, and what lies above is to be had once both end", async () => {
  const doc = newKey("doc");
  const first = await take(locker, `${doc}/1`, hierarchical);
  const second = await take(other, `${doc}/2`, hierarchical);
  assert.equal(first.key, `${doc}/1`);
  first.assertHeld();
  for (const key of [doc, `${doc}/1`]) {
    assert.equal((await other.acquire(key)).status, LockStatus.SOMEONE_ELSE_HOLDS_LOCK);
  }
  await Promise.all([first.release(), second.release()]);
  await Promise.all([doc, `${doc}/1`, `${doc}/2`].map((key) => untilFree(other, key)));
  const whole = await take(other, doc);
  assert.equal((await locker.acquire(`${doc}/1`, hierarchical)).status, LockStatus.SOMEONE_ELSE_HOLDS_LOCK);
  await whole.release();
});

test("a task goes down a path that it holds already, and never up", async () => {
  const doc = newKey("doc");
  const ran = await locker.acquireAndRun(
    `${doc}/1`,
    async () => {
      const inner = await locker.mutex(`${doc}/1/a`, (_beat, lease) => lease.key, hierarchical);
      assert.equal(inner, `${doc}/1/a`);
      await assert.rejects(locker.acquire(doc), LockModeError);
    },
    hierarchical,
  );
  assert.deepEqual(ran, { status: "SUCCESS", result: undefined, heldToTheEnd: true });
  await untilFree(other, doc);
});
