import assert from "node:assert/strict";
import { test } from "node:test";
import { limitsOf } from "./fleets.js";
import { judgeTakeover, takeoverLimitMs, type Takeover } from "./takeover-trial.js";

const takeover: Takeover = {
  ...{ how: "SIGSTOP", key: "job-1", holder: "p1.1", waiter: "p2.1", atMs: 5_000 },
  ...{ goneMs: 0, tookMs: 1_300, limitMs: 2_000, starved: [], toldMs: 12 },
};

const busy = (fromMs: number, toMs: number) => [{ fromMs, toMs }];

function foundIn(changed: Partial<Takeover>): string[] {
  return judgeTakeover({ ...takeover, ...changed }).map(({ rule, what }) => `${rule}: ${what}`);
}

test("a takeover has to come in time, and slack is given only for what the machine took away", () => {
  assert.deepEqual(foundIn({}), []);
  assert.match(foundIn({ tookMs: 2_100 })[0] ?? "", /^takeover: p2\.1 got the key of p1\.1 \(SIGSTOP\) after 2100 ms/);
  assert.match(foundIn({ tookMs: Infinity })[0] ?? "", /never/);
  assert.match(foundIn({ tookMs: Infinity, starved: busy(6_000, 9_000) })[0] ?? "", /never/, "however busy it is");
  assert.deepEqual(foundIn({ tookMs: 2_100, starved: busy(4_950, 5_110) }), []);
  assert.deepEqual(foundIn({ tookMs: 3_400, starved: busy(6_000, 6_160) }), [], "it has to look for the whole limit");
  assert.equal(foundIn({ tookMs: 3_500, starved: busy(6_000, 6_160) }).length, 1);
  assert.equal(foundIn({ tookMs: 2_100, starved: busy(1_000, 4_000) }).length, 1, "long before");
});

test("who is killed is dead when the kernel is done with it", () => {
  const killed = { how: "SIGKILL", limitMs: 300, goneMs: 150, toldMs: undefined } as const;
  assert.deepEqual(foundIn({ ...killed, tookMs: 440 }), []);
  assert.match(foundIn({ ...killed, tookMs: 460 })[0] ?? "", /\(SIGKILL, gone after 150 ms\) after 460 ms; .* 300 ms/);
});

test("who was stopped is told as soon as it runs again", () => {
  assert.match(foundIn({ toldMs: 310 })[0] ?? "", /p1\.1 was told 310 ms after it ran again; the limit is 300 ms/);
  assert.deepEqual(foundIn({ toldMs: 310, starved: busy(6_000, 6_160) }), []);
  assert.equal(foundIn({ toldMs: Infinity, starved: busy(6_000, 6_160) }).length, 1);
  assert.deepEqual(foundIn({ toldMs: undefined }), []);
});

test("the limit is the holder's own, and how it ended decides which", () => {
  const [old, fast] = [limitsOf("mixed", 0), limitsOf("mixed", 1)];
  assert.deepEqual([takeoverLimitMs("SIGSTOP", "one", old), takeoverLimitMs("SIGSTOP", "many", fast)], [3_500, 2_000]);
  assert.deepEqual([takeoverLimitMs("SIGKILL", "many", old), takeoverLimitMs("SIGKILL", "one", old)], [1_700, 300]);
});

test("no lease ends by itself while a schedule and its trial last", () => {
  for (const fleet of ["fast", "mixed", "hasty"] as const) assert.ok(limitsOf(fleet, 0).locker.lockTtlMs >= 60_000);
});
