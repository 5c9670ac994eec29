import assert from "node:assert/strict";
import test from "node:test";
import { StoreError } from "../src/errors.js";
import { AcquisitionStage, ACQUIRE_TIMEOUT } from "./support/acquisition-stage.js";
import { LOCK_TTL, TRUST } from "./support/holdings-stage.js";
import { unreachable } from "./support/scripted-leases.js";

/** Everything that was promised, and no more of the turn than that. */
async function microtasks(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

const releases = (stage: AcquisitionStage) => stage.store.sent("release").flatMap(({ batch }) => batch);

test("a grant says under which session, era and epoch it was asked for, and when, on both clocks", async () => {
  const stage = new AcquisitionStage();
  stage.store.hold();
  const outcome = stage.acquire({ trace: "why" });
  await stage.clock.settle();
  const sent = { monoMs: stage.clock.monoMs(), wallMs: stage.clock.wallMs() };
  stage.clock.pass(200);
  stage.store.let();
  await stage.clock.settle();
  assert.ok(outcome.acquired && "grant" in outcome.acquired);
  assert.deepEqual(outcome.acquired.grant, {
    ...{ key: "key", mode: "exclusive", permits: undefined, lockTtlMs: LOCK_TTL, minHoldMs: 0, trace: "why" },
    ...{ leaseNumber: 1, fencingToken: 1, recordToken: 1, lastToken: 1, acquiredAtMs: 1 },
    ...{ sessionId: "locker.1", era: "era1", epoch: 1, sent },
  });
  assert.equal(stage.clock.pending, 0);
});

test("what is asked for in one turn travels as one command, after the releases of that turn", async () => {
  const stage = new AcquisitionStage();
  const outcomes = [1, 2, 3].map((n) => stage.acquire({ key: `key${n}` }));
  await microtasks(); // so that the acquires are first in line
  void stage.giveBack.request("key1", 77);
  await stage.clock.settle();
  assert.deepEqual(
    stage.store.commands.map(({ verb, batch }) => [verb, batch.length]),
    [
      ["release", 1],
      ["acquire", 3],
    ],
  );
  assert.deepEqual(
    outcomes.map(({ is }) => is),
    ["granted", "granted", "granted"],
  );
});

test("what was worded for a session that ends before it is sent is worded anew", async () => {
  const stage = new AcquisitionStage();
  const outcome = stage.acquire();
  await microtasks();
  stage.change("condemned", { sessionId: "locker.2" });
  await stage.clock.settle();
  assert.equal(stage.asked, 0);
  stage.session.receive({ type: "trusted", recovering: false, recoveryMs: 2_500 });
  await stage.clock.settle();
  assert.equal(outcome.is, "granted");
  assert.deepEqual(
    stage.store.sent("acquire").map(({ identity }) => identity.sessionId),
    ["locker.2"],
  );
});

test("nothing is asked for without trust, and at once when it is there", async () => {
  const stage = new AcquisitionStage();
  stage.clock.pass(TRUST);
  const outcome = stage.acquire();
  await stage.clock.advance(3_000);
  assert.deepEqual([stage.asked, outcome.is], [0, "waits"]);
  stage.change("resumed");
  await stage.clock.settle();
  assert.equal(outcome.is, "granted");
});

test("a grant whose answer is processed without trust is asked for again, as the same lease", async () => {
  const stage = new AcquisitionStage();
  stage.store.hold();
  const outcome = stage.acquire();
  await stage.clock.settle();
  stage.clock.pass(TRUST);
  stage.store.let();
  await stage.clock.settle();
  assert.deepEqual([stage.asked, outcome.is], [1, "waits"]);
  stage.change("condemned", { sessionId: "locker.2" });
  await stage.clock.settle();
  assert.equal(outcome.is, "granted");
  const [first, second] = stage.store.sent("acquire");
  assert.deepEqual(second?.batch, first?.batch);
  assert.deepEqual([first?.identity.sessionId, second?.identity.sessionId], ["locker.1", "locker.2"]);
});

test("a grant that is older than a change of the session does not count, though trust never lapsed", async () => {
  const stage = new AcquisitionStage();
  stage.store.hold();
  const outcome = stage.acquire();
  await stage.clock.settle();
  stage.cells.raiseEpoch();
  stage.store.let();
  await stage.clock.settle();
  assert.equal(outcome.is, "waits");
  stage.change("reentered", { era: "era2" });
  await stage.clock.settle();
  assert.ok(outcome.acquired && "grant" in outcome.acquired);
  assert.deepEqual([outcome.acquired.grant.era, outcome.acquired.grant.epoch], ["era2", stage.cells.readEpoch()]);
});

for (const refusal of ["condemned", "era", "generation"] as const) {
  test(`a store that answers "${refusal}" makes the worker look, and is asked again when there is news`, async () => {
    const stage = new AcquisitionStage();
    stage.store.refusals.acquire = refusal;
    const outcome = stage.acquire();
    await stage.clock.settle();
    assert.deepEqual([stage.asked, stage.hurries], [1, 1]);
    await stage.clock.advance(3_000);
    assert.equal(stage.asked, 1, "nobody polls");
    delete stage.store.refusals.acquire;
    stage.change("condemned", { sessionId: "locker.2" });
    await stage.clock.settle();
    assert.equal(outcome.is, "granted");
  });
}

test("in a recovery window it waits for the word that the window has closed", async () => {
  const stage = new AcquisitionStage();
  stage.change("reentered", { recovering: true });
  stage.store.answers.acquire = () => ({ status: "recovering" });
  const outcome = stage.acquire();
  await stage.pass(2_500);
  assert.equal(stage.asked, 1);
  stage.free();
  stage.session.receive({ type: "trusted", recovering: false, recoveryMs: 2_500 });
  await stage.clock.settle();
  assert.equal(outcome.is, "granted");
});

test("an abort ends the wait at once, and what may have been granted is given back once it was answered", async () => {
  const stage = new AcquisitionStage();
  stage.store.hold();
  const abort = new AbortController();
  const outcome = stage.acquire({ signals: [abort.signal] });
  await stage.clock.settle();
  abort.abort(new Error("enough"));
  await stage.clock.settle();
  assert.equal(outcome.is, "enough");
  assert.deepEqual(releases(stage), [], "a release now could be overtaken by the grant");
  stage.store.let();
  await stage.clock.settle();
  assert.deepEqual(releases(stage), [{ key: "key", leaseNumber: 1 }]);
  assert.equal(stage.clock.pending, 0);
});

test("an acquire that was aborted before it was ever asked for gives nothing back", async () => {
  const stage = new AcquisitionStage();
  stage.clock.pass(TRUST);
  const abort = new AbortController();
  const outcome = stage.acquire({ signals: [abort.signal] });
  abort.abort(new Error("enough"));
  await stage.pass(1_000);
  assert.equal(outcome.is, "enough");
  assert.deepEqual(stage.store.commands, []);
});

test("without an answer the same lease is asked for again, with a pause, and not without a connection", async () => {
  const stage = new AcquisitionStage();
  stage.store.answers.acquire = unreachable;
  stage.store.isUp = false;
  const outcome = stage.acquire();
  await stage.pass(3_000);
  assert.equal(stage.asked, 1);
  stage.store.up();
  await stage.pass(3_000);
  assert.ok(stage.asked > 20 && stage.asked < 3_000, `${stage.asked} times in 3 s`);
  stage.free();
  await stage.pass(100);
  assert.equal(outcome.is, "granted");
  assert.equal(new Set(stage.store.sent("acquire").flatMap(({ batch }) => batch.map((r) => r.leaseNumber))).size, 1);
});

test("no answer for acquireTimeoutMs is an error that tells the cause, and leaves nothing held", async () => {
  const stage = new AcquisitionStage();
  stage.store.hold();
  const outcome = stage.acquire();
  await stage.pass(ACQUIRE_TIMEOUT - 1);
  assert.equal(outcome.is, "waits");
  await stage.pass(1);
  assert.equal(outcome.error?.code, "unreachable");
  assert.match(outcome.is, /"key" was not acquired.*10000 ms/);
  stage.store.let();
  await stage.clock.settle();
  assert.deepEqual(releases(stage), [{ key: "key", leaseNumber: 1 }]);
});

for (const [what, set] of Object.entries({
  "refuses the grant": (stage: AcquisitionStage, fail: () => never) => (stage.store.answers.acquire = fail),
  "refuses to condemn": (stage: AcquisitionStage, fail: () => never) => {
    stage.heldBy("other.1");
    Object.assign(stage.store, { session: { silentMs: 60_000 }, steadyMs: 60_000, onCondemn: fail });
  },
})) {
  test(`a full store that ${what} is told at once, and not asked again and again`, async () => {
    const stage = new AcquisitionStage();
    set(stage, () => {
      throw new StoreError("out-of-memory", "full");
    });
    const outcome = stage.acquire({ waitMs: 60_000 });
    await stage.clock.settle();
    assert.equal(outcome.error?.code, "out-of-memory");
    assert.equal(stage.asked, 1);
  });
}

test("what fails for this key alone is thrown, and what may have been granted before is given back", async () => {
  const stage = new AcquisitionStage();
  const error = new StoreError("foreign-value", "not a lease");
  stage.store.answers.acquire = () => ({ status: "error", error });
  const outcome = stage.acquire();
  await stage.clock.settle();
  assert.equal(outcome.error, error);
  assert.equal(releases(stage).length, 1);
});
