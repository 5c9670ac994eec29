import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../src/clock.js";
import { DeadlockError } from "../src/errors.js";
import { BlockedStage } from "./support/blocked-stage.js";
import { waitUntil, withDeadline } from "./support/wait.js";

const DEADLINE = { deadlineMs: 2_000, what: "the marks" };

async function dead(outcome: Promise<unknown>): Promise<DeadlockError> {
  const error = await withDeadline(outcome, 1_000, "the victim's error");
  assert.ok(error instanceof DeadlockError, String(error));
  return error;
}

for (const [where, lockers] of [
  ["of three processes", ["p", "q", "r"]],
  ["inside one process", ["p", "p", "p"]],
  ["of two processes, one with two tasks in it", ["p", "q", "p"]],
] as const) {
  test(`a circle ${where} ends the wait that began last, with its keys and holders`, async () => {
    const stage = new BlockedStage();
    const held = lockers.map((lockerId, i) => stage.hold(lockerId, `k${i}`));
    const waits = lockers.map((lockerId, i) => stage.wait(lockerId, [held[i]!], `k${(i + 1) % 3}`));
    const error = await dead(waits[2]!.outcome);
    assert.equal(error.key, "k0");
    assert.deepEqual(
      error.cycle.map(({ key, holder }) => [key, holder.sessionId]),
      ["k0", "k1", "k2"].map((key, i) => [key, `${lockers[i]}.1`]),
    );
    for (const other of waits.slice(0, 2)) other.stop();
    assert.match(String(await waits[0]!.outcome), /stopped/);
    await waitUntil(() => stage.marks.size, 0, DEADLINE);
  });
}

test("who finds a circle that another closed later tells it, and goes on waiting", async () => {
  const stage = new BlockedStage();
  const [a, b] = [stage.hold("p", "a"), stage.hold("q", "b")];
  const early = stage.wait("q", [b], "a", 9_000);
  await waitUntil(() => stage.marks.size, 1, DEADLINE);
  const late = stage.wait("p", [a], "b", 5);
  assert.equal((await dead(early.outcome)).key, "a");
  assert.equal(stage.told.length, 1);
  late.stop();
  assert.match(String(await late.outcome), /stopped/);
});

test("a circle whose waits the store has forgotten is found again in its new era", async () => {
  const stage = new BlockedStage();
  const [a, b] = [stage.hold("p", "a"), stage.hold("q", "b")];
  const early = stage.wait("p", [a], "b");
  await waitUntil(() => stage.marks.size, 1, DEADLINE);
  stage.marks.clear();
  stage.locker("p").onNewEra();
  await waitUntil(() => stage.marks.get("p#1")?.key, "b", DEADLINE);
  assert.equal((await dead(stage.wait("q", [b], "a").outcome)).key, "a");
  early.stop();
  assert.match(String(await early.outcome), /stopped/);
});

test("a mark that could not be taken back is taken back once the store answers, and closes no circle", async () => {
  const stage = new BlockedStage();
  const [a, b] = [stage.hold("p", "a"), stage.hold("q", "b")];
  const over = stage.wait("p", [a], "b");
  await waitUntil(() => stage.marks.size, 1, DEADLINE);
  stage.isDown = true;
  over.stop();
  assert.match(String(await over.outcome), /stopped/);
  assert.equal(stage.marks.size, 1);
  stage.isDown = false;
  await waitUntil(() => stage.marks.size, 0, DEADLINE);
  const other = stage.wait("q", [b], "a");
  await waitUntil(() => stage.marks.size, 1, DEADLINE);
  other.stop();
  assert.match(String(await other.outcome), /stopped/);
});

test("a mark that is sent a second time is not left behind: it is taken back after its answer", async () => {
  const stage = new BlockedStage();
  let land = (): void => undefined;
  stage.slow = new Promise((resolve) => (land = resolve));
  const over = stage.wait("p", [stage.hold("p", "a")], "b");
  await waitUntil(() => stage.asked, 1, DEADLINE);
  over.stop();
  assert.match(String(await over.outcome), /stopped/);
  land();
  await withDeadline(stage.locker("p").settled(), 1_000, "the mark is taken back");
  assert.deepEqual([stage.asked, stage.marks.size], [2, 0]);
});

test("the mark of a lease that was lost during the wait is taken back with the others", async () => {
  const stage = new BlockedStage();
  const [a, b] = [stage.hold("p", "a"), stage.hold("p", "b")];
  const wait = stage.wait("p", [a, b], "c");
  await waitUntil(() => stage.marks.size, 2, DEADLINE);
  for (const { leaseNumber } of [a, b]) {
    stage.over.add(leaseNumber);
    const before = stage.asked;
    stage.locker("p").onNewEra();
    await waitUntil(() => stage.asked > before, true, DEADLINE);
  }
  wait.stop();
  assert.match(String(await wait.outcome), /stopped/);
  await waitUntil(() => stage.marks.size, 0, DEADLINE);
});

test("a mark that a store put back to old data brings again is taken back in its new era", async () => {
  const stage = new BlockedStage();
  const [a, b] = [stage.hold("p", "a"), stage.hold("p", "b")];
  const over = stage.wait("p", [a], "c");
  const other = stage.wait("p", [b], "c");
  await waitUntil(() => stage.marks.size, 2, DEADLINE);
  const old = [...stage.marks];
  over.stop();
  assert.match(String(await over.outcome), /stopped/);
  await waitUntil(() => [...stage.marks.keys()], ["p#2"], DEADLINE);
  for (const [leaseId, mark] of old) stage.marks.set(leaseId, mark);
  stage.locker("p").onNewEra();
  await waitUntil(() => [...stage.marks.keys()], ["p#2"], DEADLINE);
  other.stop();
  assert.match(String(await other.outcome), /stopped/);
  await waitUntil(() => stage.marks.size, 0, DEADLINE);
});

test("a locker that ends asks no more for its marks to be taken back", async () => {
  const stage = new BlockedStage();
  const over = stage.wait("p", [stage.hold("p", "a")], "b");
  await waitUntil(() => stage.marks.size, 1, DEADLINE);
  stage.isDown = true;
  over.stop();
  assert.match(String(await over.outcome), /stopped/);
  const asked = stage.asked;
  await waitUntil(() => stage.asked > asked, true, DEADLINE);
  stage.locker("p").stop();
  stage.isDown = false;
  const since = stage.asked;
  await new Promise((resolve) => setTimeout(resolve, 500)); // waits: for a question that must not come
  assert.deepEqual([stage.asked - since, stage.marks.size], [0, 1]);
});

test("a lease of an older era, brought back with an old mark, closes no circle", async () => {
  const stage = new BlockedStage();
  stage.era = "era0";
  stage.hold("q", "b");
  stage.era = "era1";
  stage.marks.set("q#1", { key: "a", waiter: "q#9", ticket: 1 });
  const wait = stage.wait("p", [stage.hold("p", "a")], "b");
  await waitUntil(() => stage.looks >= 2, true, { deadlineMs: 2_000, what: "two looks" });
  assert.deepEqual(stage.told, []);
  stage.holders.get("b")![0]!.era = "era1"; // the same circle, of today: it is found
  stage.locker("p").onNewEra();
  assert.equal((await dead(wait.outcome)).key, "b");
});

test("who was granted what it waits for, and has not said so yet, closes no circle", async () => {
  const stage = new BlockedStage();
  stage.isQueued = false;
  stage.hold("q", "b");
  const holding = stage.hold("p", "a", "shared");
  stage.hold("q", "a", "shared");
  stage.marks.set("q#1", { key: "a", waiter: "q#3", ticket: 1 });
  const wait = stage.wait("p", [holding], "b");
  await waitUntil(() => stage.looks >= 2, true, { deadlineMs: 2_000, what: "two looks" });
  stage.marks.set("q#1", { key: "a", waiter: "q#9", ticket: 1 }); // it waits again: that is a circle
  stage.locker("p").onNewEra();
  assert.equal((await dead(wait.outcome)).key, "b");
});

test("of two circles through one wait both are found", async () => {
  const stage = new BlockedStage();
  const own = stage.hold("p", "own");
  const readers = ["q", "r"].map((lockerId) => stage.hold(lockerId, "read", "shared"));
  const others = ["q", "r"].map((lockerId, i) => stage.wait(lockerId, [readers[i]!], "own", 9_000 + i));
  await waitUntil(() => stage.marks.size, 2, DEADLINE);
  const wait = stage.wait("p", [own], "read", 5);
  for (const { outcome } of others) await dead(outcome);
  wait.stop();
  assert.match(String(await wait.outcome), /stopped/);
});

test("a task that waits for several keys at once is part of every circle they close", async () => {
  const stage = new BlockedStage();
  const [a, b] = [stage.hold("p", "a"), stage.hold("q", "b")];
  stage.hold("r", "c");
  const first = stage.wait("p", [a], "b");
  const second = stage.wait("p", [a], "c");
  await waitUntil(() => stage.marks.get("p#1")?.key, "c", DEADLINE);
  const other = stage.wait("q", [b], "a", 1);
  await dead(first.outcome);
  for (const wait of [second, other]) {
    wait.stop();
    await wait.outcome;
  }
});

test("permits are no edge, and who holds nothing writes nothing", async () => {
  const stage = new BlockedStage();
  const [a, b] = [stage.hold("p", "a", "permits"), stage.hold("q", "b")];
  const waits = [stage.wait("p", [a], "b"), stage.wait("q", [b], "a"), stage.wait("r", [], "b")];
  await waitUntil(() => stage.marks.size, 1, DEADLINE);
  assert.deepEqual([...stage.marks.keys()], ["q#2"]);
  for (const wait of waits) wait.stop();
  for (const { outcome } of waits) assert.match(String(await outcome), /stopped/);
});

test("a mark that outlived its wait makes no circle", async () => {
  const stage = new BlockedStage();
  const [a, b] = [stage.hold("p", "a"), stage.hold("q", "b")];
  stage.isQueued = false; // as for one that waited inside its process, and has its key by now
  stage.marks.set(`q#${b.leaseNumber}`, { key: "a", waiter: "q#9", ticket: 1 });
  const wait = stage.wait("p", [a], "b");
  setImmediate(() => stage.marks.delete(`q#${b.leaseNumber}`));
  await waitUntil(() => stage.marks.size, 1, DEADLINE);
  const late = await Promise.race([
    wait.outcome,
    new Promise((resolve) => systemClock.timer(150, () => resolve("waits"))),
  ]);
  assert.equal(late, "waits");
  wait.stop();
  await wait.outcome;
});

test("a store that is away for a moment hides no circle", async () => {
  const stage = new BlockedStage();
  const [a, b] = [stage.hold("p", "a"), stage.hold("q", "b")];
  stage.isDown = true;
  const waits = [stage.wait("p", [a], "b"), stage.wait("q", [b], "a")];
  setImmediate(() => (stage.isDown = false));
  await dead(waits[1]!.outcome);
  waits[0]!.stop();
  await waits[0]!.outcome;
});
