import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { newPrefix } from "./support/lockers.js";
import { openTable, type Table } from "./support/philosophers.js";
import { sharedRedis, type SharedRedis } from "./support/redis-server.js";
import { seed, withDeadline } from "./support/wait.js";

const SEATS = 5;
/** The figure is 100 ms on a quiet machine (bench/philosophers.ts); here other tests run as well. */
const TOLD_MS = 400;

let redis: SharedRedis;
let table: Table;

before(async () => {
  redis = await sharedRedis();
  table = await openTable(redis.url, newPrefix(), SEATS);
  await withDeadline(table.dine(1, 1), 20_000, "a first meal");
});

after(async () => {
  await table[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

test("five processes that wait in a circle: one is told soon, with the whole circle, and the others eat", async () => {
  for (let i = 0; i < 5; i++) {
    const { reaches, toldAfterMs } = await withDeadline(table.round(), 10_000, `round ${i}`);
    assert.equal(toldAfterMs.length, 1, JSON.stringify(reaches));
    assert.ok(toldAfterMs[0]! <= TOLD_MS, `told after ${toldAfterMs[0]} ms`);
    const { cycle } = reaches.find((reach) => reach.cycle)!;
    assert.deepEqual(new Set(cycle?.map(({ key }) => key)), new Set(table.forks));
    assert.equal(new Set(cycle?.map(({ sessionId }) => sessionId)).size, SEATS);
  }
});

test("five processes that take their forks in no good order all eat in the end", async () => {
  await withDeadline(table.dine(15, seed()), 60_000, "all meals");
});
