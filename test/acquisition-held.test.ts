import assert from "node:assert/strict";
import test from "node:test";
import type { LeaseRecord } from "../src/databases/database.js";
import { LockModeError } from "../src/errors.js";
import { AcquisitionStage, PING_INTERVAL } from "./support/acquisition-stage.js";

const releases = (stage: AcquisitionStage) => stage.store.sent("release").flatMap(({ batch }) => batch);

test("a lease of this session that no job knows is given back, and the key asked for again", async () => {
  const stage = new AcquisitionStage();
  stage.heldBy("locker.1", 55);
  stage.store.answers.release = () => {
    stage.free();
    return { status: "released" };
  };
  const outcome = stage.acquire();
  await stage.clock.settle();
  assert.deepEqual(releases(stage), [{ key: "key", leaseNumber: 55 }]);
  assert.equal(outcome.is, "granted");
});

test("a lease of this session that a job holds, or another acquire asks for, is not given back", async () => {
  const stage = new AcquisitionStage();
  const lease = stage.lease({ leaseNumber: 500 });
  stage.heldBy("locker.1", lease.leaseNumber);
  const first = stage.acquire();
  await stage.clock.settle();
  stage.heldBy("locker.1", 3); // the number of the third acquire, whose own answer is still to be dealt with
  const outcomes = [first, stage.acquire(), stage.acquire()];
  await stage.clock.settle();
  assert.deepEqual(releases(stage), []);
  assert.deepEqual(
    outcomes.map(({ is }) => is),
    ["busy", "busy", "busy"],
  );
});

test("without a wait a living holder is an answer at once", async () => {
  const stage = new AcquisitionStage();
  stage.heldBy("other.1");
  const outcome = stage.acquire();
  await stage.clock.settle();
  assert.deepEqual([outcome.is, stage.asked], ["busy", 1]);
  assert.equal(stage.clock.pending, 0);
});

test("a holder past its limit is waited for until it can be judged, also by who does not wait", async () => {
  const stage = new AcquisitionStage();
  stage.heldBy("other.1");
  stage.store.session = { silentMs: 60_000 };
  const outcome = stage.acquire();
  await stage.pass(9_000);
  assert.equal(outcome.is, "waits");
  stage.store.steadyMs = 10_000;
  stage.store.onCondemn = () => {
    stage.store.session = { state: "condemned" };
    stage.free();
    return { status: "condemned", reason: "silent" };
  };
  await stage.pass(100);
  assert.equal(outcome.is, "granted");
  const replace = stage.store.sent("acquire").at(-1)?.batch[0]?.replace;
  assert.deepEqual(replace, [{ sessionId: "other.1", fencingToken: 70 }]);
});

test("a holder that can still not be judged after its limit and two pings is busy", async () => {
  const stage = new AcquisitionStage();
  stage.heldBy("other.1");
  stage.store.session = { silentMs: 60_000 };
  const outcome = stage.acquire();
  await stage.pass(10_000 + 2 * PING_INTERVAL - 1);
  assert.equal(outcome.is, "waits");
  await stage.pass(60);
  assert.equal(outcome.is, "busy");
});

test("a holder found dead in one era is not replaced in the next, which it may have entered", async () => {
  const stage = new AcquisitionStage();
  stage.heldBy("dead.1");
  stage.store.onRead = () => {
    stage.store.session = { state: "condemned" };
    stage.store.answers.acquire = () => {
      stage.change("reentered", { era: "era2" });
      stage.heldBy("dead.1"); // which has written its lease again
      stage.store.onRead = () => (stage.store.session = {});
      return { status: "recovering" };
    };
  };
  const outcome = stage.acquire();
  await stage.pass(1_000);
  assert.equal(outcome.is, "busy");
  const asked = stage.store
    .sent("acquire")
    .map(({ identity, batch }) => [identity.era, batch[0]?.replace?.[0]?.sessionId]);
  assert.deepEqual(asked.slice(0, 3), [
    ["era1", undefined],
    ["era1", "dead.1"],
    ["era2", undefined],
  ]);
});

test("a takeover that somebody else won starts over with the new holder, and replaces nothing of it", async () => {
  const stage = new AcquisitionStage();
  stage.heldBy("dead.1");
  stage.store.onRead = () => {
    stage.store.session = { state: stage.store.read.length === 1 ? "condemned" : "alive" };
    stage.heldBy("winner.1", 3); // in between
  };
  const outcome = stage.acquire({ waitMs: 5_000 });
  await stage.pass(200);
  assert.equal(outcome.is, "waits");
  const [, second, third] = stage.store.sent("acquire").map(({ batch }) => batch[0]?.replace);
  assert.deepEqual(second, [{ sessionId: "dead.1", fencingToken: 70 }]);
  assert.equal(third, undefined);
});

type Answer = "held" | "misfit";

/** Two hold the key, or refuse it by their mode; one of them may be dead, and cannot be judged. */
function heldByTwo(stage: AcquisitionStage, answer: Answer): void {
  stage.heldBy("unsure.1");
  const { holders } = stage.store.answers.acquire!({} as never) as { holders: readonly LeaseRecord[] };
  const both = [...holders, { ...holders[0]!, sessionId: "living.1" }];
  const error = new LockModeError("key", "mode", "exclusive", "does not go with permits");
  stage.store.answers.acquire = () =>
    answer === "held" ? { status: "held", holders: both } : { status: "error", error, holders: both };
  stage.store.sessions["unsure.1"] = { silentMs: 60_000 };
}

test("one living holder is enough where all must be gone; who wants permits waits until each is judged", async () => {
  for (const [mode, expected] of [
    ["exclusive", "busy"],
    ["shared", "busy"],
    ["permits", "waits"],
  ] as const) {
    const stage = new AcquisitionStage();
    heldByTwo(stage, "held");
    const outcome = stage.acquire({ mode });
    await stage.clock.settle();
    assert.equal(outcome.is, expected, mode);
    await stage.pass(10_000 + 2 * PING_INTERVAL + 60);
    const { acquired } = outcome;
    assert.equal(acquired && "holder" in acquired && acquired.holder.sessionId, "living.1", mode);
  }
});

test("who is refused for its mode is told of one that lives, or of one that could not be judged in time", async () => {
  const stage = new AcquisitionStage();
  heldByTwo(stage, "misfit");
  const refused = stage.acquire();
  await stage.clock.settle();
  assert.ok(refused.error instanceof LockModeError, refused.is);
  assert.equal(refused.error.holder?.sessionId, "living.1");
  stage.store.sessions["living.1"] = { silentMs: 60_000 };
  const outcome = stage.acquire();
  await stage.pass(10_000 + 2 * PING_INTERVAL - 1);
  assert.equal(outcome.is, "waits");
  await stage.pass(60);
  assert.ok(outcome.error instanceof LockModeError, outcome.is);
});

test("who waits is not refused for its mode because of one without its connection, but once that is back", async () => {
  const stage = new AcquisitionStage();
  heldByTwo(stage, "misfit");
  stage.store.sessions["unsure.1"] = {};
  stage.store.session = { connectionGone: true };
  const outcomes = [stage.acquire(), stage.acquire({ waitMs: Infinity })];
  await stage.pass(1_000);
  assert.deepEqual([outcomes[0]?.error?.name, outcomes[1]?.is], ["LockModeError", "waits"]);
  stage.store.session = { connectionGone: false };
  await stage.pass(100);
  assert.equal(outcomes[1]?.error?.name, "LockModeError");
});
