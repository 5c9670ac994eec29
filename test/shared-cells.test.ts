import assert from "node:assert/strict";
import test from "node:test";
import { Worker } from "node:worker_threads";
import { SharedCells } from "../src/shared-cells.js";
import type { TrustWriterData } from "./support/fixtures/trust-writer.js";
import { mulberry32, once, seed, waitUntil } from "./support/wait.js";

const TRUST = 1_300;

test("nothing is trusted before trust was ever written", () => {
  const cells = new SharedCells(TRUST);
  assert.equal(cells.isTrusted(1_000_000, 1_700_000_000_000), false);
});

for (const [name, monoMs] of [
  ["small", 5_000],
  ["just before 2^31", 2 ** 31 - 700],
  ["just before 2^32", 2 ** 32 - 700],
  ["just before 3 × 2^31, with a fraction", 3 * 2 ** 31 - 700.25],
] as const) {
  test(`trust ends exactly with its deadline when the clock is ${name}`, () => {
    const cells = new SharedCells(TRUST);
    const wallMs = 1_700_000_000_000;
    cells.writeTrust(monoMs, wallMs, TRUST);
    const isTrusted = (afterMs: number) => cells.isTrusted(monoMs + afterMs, wallMs);
    assert.equal(isTrusted(1), true);
    assert.equal(isTrusted(TRUST - 2), true);
    assert.equal(isTrusted(TRUST), false);
    assert.equal(isTrusted(TRUST + 1), false);
    assert.equal(isTrusted(2 ** 31 - 1), false, "24 days later");
  });
}

test("the wall clock ends trust as the monotonic one does, at every point of its 32-bit circle", () => {
  const random = mulberry32(seed());
  for (let i = 0; i < 5_000; i++) {
    const cells = new SharedCells(TRUST);
    const [monoMs, wallMs] = [random() * 2 ** 33, Math.floor(random() * 2 ** 42)];
    cells.writeTrust(monoMs, wallMs, TRUST);
    const at = `mono ${monoMs}, wall ${wallMs}`;
    assert.equal(cells.isTrusted(monoMs + 2, wallMs + 2), true, at);
    assert.equal(cells.isTrusted(monoMs + 2, wallMs + TRUST - 1), true, at);
    assert.equal(cells.isTrusted(monoMs + 2, wallMs + TRUST), false, at);
    assert.equal(cells.isTrusted(monoMs + TRUST, wallMs + 2), false, at);
  }
});

test("a fraction of a ms never makes trust longer", () => {
  const random = mulberry32(seed());
  for (let i = 0; i < 5_000; i++) {
    const cells = new SharedCells(1_312.5);
    const sentMs = random() * 2 ** 33;
    cells.writeTrust(sentMs, sentMs, 1_312.5);
    assert.equal(cells.isTrusted(sentMs + 1_312.5 + random(), sentMs + 2), false, `sent at ${sentMs}`);
    assert.equal(cells.isTrusted(sentMs + 2, sentMs + 1_312.5 + random()), false, `sent at ${sentMs}`);
  }
});

test("a wall clock that was set forward past the deadline ends trust", () => {
  const cells = new SharedCells(TRUST);
  cells.writeTrust(1_000, 50_000, TRUST);
  assert.equal(cells.isTrusted(1_001, 50_001 + 3_600_000), false);
});

test("a wall clock that was set back makes the deadline too far away, and that is none", () => {
  const cells = new SharedCells(TRUST);
  cells.writeTrust(1_000, 50_000, TRUST);
  assert.equal(cells.isTrusted(1_001, 50_000), true, "as far as trust can reach");
  assert.equal(cells.isTrusted(1_001, 49_999), false, "one ms further");
  assert.equal(cells.isTrusted(1_001, 50_000 - 3_600_000), false);
  assert.equal(cells.isTrusted(1_001, 50_000 - 2 ** 31), false, "half the circle");
});

test("a monotonic deadline further away than trust can reach is none", () => {
  const cells = new SharedCells(TRUST);
  cells.writeTrust(1_000, 50_000, TRUST);
  assert.equal(cells.isTrusted(999, 50_001), false);
});

test("ended trust is over at once, and a later ping brings it back", () => {
  const cells = new SharedCells(TRUST);
  cells.writeTrust(1_000, 50_000, TRUST);
  cells.endTrust(1_010, 50_010);
  assert.equal(cells.isTrusted(1_010, 50_010), false);
  assert.equal(cells.isTrusted(1_009, 50_010), false, "by either clock");
  assert.equal(cells.isTrusted(1_010, 50_009), false, "by either clock");
  cells.writeTrust(1_020, 50_020, TRUST);
  assert.equal(cells.isTrusted(1_030, 50_030), true);
});

test("a break is so long ago, on the 32-bit circle too, until it is forgotten", () => {
  const cells = new SharedCells(TRUST);
  assert.equal(cells.readBrokenAgoMs(123), Infinity, "never broken");
  cells.writeBrokenAt(2 ** 31 - 5);
  assert.equal(cells.readBrokenAgoMs(2 ** 31 + 5), 10);
  cells.writeBrokenAt(2 ** 32);
  assert.ok(cells.readBrokenAgoMs(2 ** 32 + 7) <= 7, "a time that looks like never is not mistaken for it");
  cells.writeBrokenAt(5_000);
  assert.equal(cells.readBrokenAgoMs(4_990), 0, "a clock read before the break");
  cells.forgetBroken();
  assert.equal(cells.readBrokenAgoMs(5_001), Infinity);
});

test("each cell keeps its own value, and both threads' objects see the same memory", () => {
  const mine = new SharedCells(TRUST);
  const theirs = new SharedCells(TRUST, mine.buffer);
  mine.writeJobs(3);
  mine.writeJudgedEpoch(4);
  mine.tickMain();
  theirs.tickWorker();
  theirs.tickWorker();
  theirs.writeBrokenAt(90);
  theirs.writeTrust(100, 200, TRUST);
  assert.equal(theirs.raiseEpoch(), 1);
  assert.equal(theirs.raiseEpoch(), 2);
  const read = (cells: SharedCells) => [
    ...[cells.readJobs(), cells.readJudgedEpoch(), cells.readMainTick(), cells.readWorkerTick()],
    ...[cells.readBrokenAgoMs(100), cells.isTrusted(101, 201), cells.readEpoch()],
  ];
  assert.deepEqual(read(mine), [3, 4, 1, 2, 10, true, 2]);
  assert.deepEqual(read(theirs), read(mine));
});

/** Long enough to meet the race hundreds of times on two cores; the wrong order shows whether it was met. */
const STRESS_MS = 1_500;
const ROUND = { roundMs: 1_000, trustMs: 500, baseMs: 2 ** 31 - 20_000_000 }; // passes the end of 31 bits

test("a reader never pairs a new deadline with an old epoch, however fast trust is lost and regained", async (t) => {
  const rounds = new Int32Array(new SharedArrayBuffer(8));
  const cells = new SharedCells(ROUND.trustMs);
  const workerData: TrustWriterData = { cells: cells.buffer, rounds: rounds.buffer as SharedArrayBuffer, ...ROUND };
  const writer = new Worker(new URL("./support/fixtures/trust-writer.js", import.meta.url), { workerData });
  const exited = once(writer, "exit", { deadlineMs: 10_000, what: "the writer's exit" });
  try {
    await waitUntil(() => rounds[0]! > 0, true, { deadlineMs: 10_000, what: "the writer's first round" });
    const seen = readFor(STRESS_MS, cells, rounds);
    t.diagnostic(`${JSON.stringify(seen)} in ${rounds[0]} rounds`);
    assert.ok(seen.yes > 0, "trust was seen");
    assert.equal(seen.falseYes, 0);
  } finally {
    Atomics.store(rounds, 1, 1);
    await exited;
  }
});

/** The time that was read says which round's deadline alone can make trust: then at least that epoch must be seen. */
function readFor(forMs: number, cells: SharedCells, rounds: Int32Array) {
  const seen = { reads: 0, yes: 0, falseYes: 0, falseYesInWrongOrder: 0 };
  const untilMs = performance.now() + forMs;
  for (; seen.reads % 1_000 !== 0 || performance.now() < untilMs; seen.reads++) {
    const epochFirst = cells.readEpoch();
    const round = Atomics.load(rounds, 0);
    const nowMs = ROUND.baseMs + round * ROUND.roundMs;
    const isTrusted = cells.isTrusted(nowMs, nowMs);
    const epochLast = cells.readEpoch();
    if (!isTrusted) continue;
    seen.yes += 1;
    if (epochLast < round) seen.falseYes += 1;
    if (epochFirst < round) seen.falseYesInWrongOrder += 1;
  }
  return seen;
}
