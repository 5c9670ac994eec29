// The register of bench/recipes: a comparison of lockers is worth what its judge is.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { failuresOf } from "../../bench/recipes/recipe.js";
import { Register } from "../../bench/recipes/register.js";
import { newKey } from "../support/lockers.js";
import { sharedRedis, type SharedRedis } from "../support/redis-server.js";

let redis: SharedRedis;

before(async () => {
  redis = await sharedRedis();
});

after(async () => {
  await redis[Symbol.asyncDispose]();
});

test("an unfenced register forgets what was written between a read and the write that follows it", async () => {
  await using register = new Register(redis.url, newKey());
  const before = await register.read();
  await register.write([...before, 1]);
  await register.write([...before, 2]);
  assert.deepEqual((await register.final()).plain, [2]);
});

test("a fenced register refuses an older holder as soon as a newer one has read", async () => {
  await using register = new Register(redis.url, newKey());
  const older = await register.readFenced(10);
  const newer = await register.readFenced(11);
  assert.deepEqual([older, newer], [[], []]);
  assert.equal(await register.writeFenced(10, [1]), false);
  assert.equal(await register.readFenced(10), undefined);
  assert.equal(await register.writeFenced(11, [2]), true);
  assert.deepEqual((await register.final()).fenced, [2]);
});

test("a fenced update that is lost and a refusal without a pause fail a run", () => {
  const good = { fenced: { acked: 9, lost: 0 }, refused: 2, pauses: 2 };
  assert.deepEqual(failuresOf([good]), []);
  const bad = [
    { ...good, fenced: { acked: 9, lost: 1 } },
    { ...good, refused: 3 },
    { ...good, fenced: undefined },
  ];
  for (const result of bad) assert.equal(failuresOf([good, result]).length, 1);
});
