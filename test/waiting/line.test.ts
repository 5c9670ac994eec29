import assert from "node:assert/strict";
import test from "node:test";
import { LOCK_TTL } from "../support/holdings-stage.js";
import { asked, granted, lined, next, settled, WaitingStage } from "../support/waiting-stage.js";

test("those who wait for one key have one place in the queue, and it asks for a token for each", async () => {
  const { stage } = await lined(5);
  assert.deepEqual(
    asked(stage).map(({ leaseNumber, tokens, trace }) => [leaseNumber, tokens, trace]),
    [[1, 5, "0"]],
  );
  stage.wait();
  await stage.pass(1_000);
  assert.deepEqual([asked(stage).at(-1)?.leaseNumber, asked(stage).at(-1)?.tokens], [1, 6]);
});

test("another key, another lock TTL, another mode or a hold has a place of its own", async () => {
  const { stage } = await lined(1);
  stage.wait({ key: "key2" });
  stage.wait({ lockTtlMs: LOCK_TTL + 1 });
  stage.wait({ mode: "shared" });
  stage.wait({ mode: "shared" });
  stage.wait({ minHoldMs: 100 });
  await stage.clock.settle();
  const numbers = asked(stage).map(({ leaseNumber, mode }) => `${leaseNumber} ${mode}`);
  assert.deepEqual(numbers, ["1 exclusive", "2 exclusive", "3 exclusive", "4 shared", "5 shared", "6 exclusive"]);
});

test("a lease is handed on in the line's order, with rising tokens, and the store hears of the last", async () => {
  const { stage, outcomes, lease: first } = await granted(3);
  const { asked: before } = stage;
  const second = await next(stage, first, outcomes[1]!);
  const third = await next(stage, second, outcomes[2]!);
  assert.deepEqual(
    [first, second, third].map(({ fencingToken }) => fencingToken),
    [80, 81, 82],
  );
  assert.deepEqual([second.trace, third.trace], ["1", "2"]);
  assert.deepEqual([second.state, third.state, first.released], ["unsure", "held", true]);
  assert.deepEqual([stage.holdings.size, stage.released, stage.asked], [1, [], before]);
  await settled(stage, third.release());
  assert.deepEqual(stage.released, [1]);
});

test("who comes after the grant stands in the store's queue, behind whoever waits there already", async () => {
  const { stage, outcomes, lease } = await granted(2);
  const late = stage.wait();
  await stage.clock.settle();
  assert.equal(stage.asked, 1, "not while the line may still hand on");
  stage.queuedBehind("locker.1", { leaseNumber: lease.leaseNumber });
  const second = await next(stage, lease, outcomes[1]!);
  await stage.clock.settle();
  assert.deepEqual([asked(stage).at(-1)?.leaseNumber, late.is], [2, "waits"], "it asks once none is left before it");
  await settled(stage, second.release());
  await stage.clock.settle();
  assert.deepEqual([late.is, stage.released], ["waits", [1]]);
});

test("a release and the next asking go out together, in that order", async () => {
  const { stage, lease } = await granted(2, 80); // one token
  stage.store.commands.length = 0;
  stage.queuedBehind("other.2");
  await stage.pass(1_000);
  assert.equal(asked(stage)[0]?.leaseNumber, 2, "the rest asks at once");
  const one = await granted(2);
  one.stage.clock.pass(50);
  one.stage.store.commands.length = 0;
  one.stage.queuedBehind("other.2");
  void one.stage.holdings.release(one.lease);
  await one.stage.clock.settle();
  assert.deepEqual(
    one.stage.store.commands.map(({ verb }) => verb),
    ["release", "acquire"],
  );
  await settled(stage, lease.release());
});

test("one that aborts is passed over, and when the last leaves the place is given up", async () => {
  const stage = new WaitingStage();
  stage.queuedBehind("other.1");
  const aborts = [1, 2, 3].map(() => new AbortController());
  const outcomes = aborts.map(({ signal }) => stage.wait({ signals: [signal] }));
  await stage.pass(100);
  aborts[0]?.abort(new Error("enough"));
  await stage.clock.settle();
  assert.deepEqual([outcomes[0]?.is, stage.released], ["enough", []], "others still wait");
  stage.push({ lastToken: 82 });
  await stage.clock.settle();
  aborts[2]?.abort(new Error("enough"));
  await settled(stage, stage.hold(outcomes[1]!).release());
  assert.deepEqual([outcomes.map(({ is }) => is), stage.released], [["enough", "granted", "enough"], [1]]);
  const again = await lined(2);
  const abort = new AbortController();
  const last = again.stage.wait({ key: "key2", signals: [abort.signal] });
  await again.stage.pass(10);
  abort.abort(new Error("enough"));
  assert.equal(again.stage.store.sent("release").length, 0);
  await again.stage.clock.settle();
  assert.deepEqual([last.is, again.stage.released], ["enough", [2]]);
});

test("what fails for the key fails for all who stand in line", async () => {
  const { stage, outcomes } = await lined(3);
  stage.store.answers.acquire = () => ({ status: "error", error: new Error("not a lease") });
  await stage.pass(1_000);
  assert.deepEqual(
    outcomes.map(({ is }) => is),
    ["not a lease", "not a lease", "not a lease"],
  );
  assert.deepEqual(stage.released, [1]);
});

test("a lease of a job that succeeds is kept for as long as it asked, and not when the job fails", async () => {
  for (const [hasFailed, keepMs] of [
    [false, 700],
    [true, undefined],
  ] as const) {
    const stage = new WaitingStage();
    const outcome = stage.wait({ minHoldMs: 700 });
    await stage.clock.settle();
    await settled(stage, stage.holdings.release(stage.hold(outcome), hasFailed));
    assert.equal(stage.store.sent("release")[0]?.batch[0]?.keepMs, keepMs);
  }
});

test("a lease that is asked back is lost as revoked, and stays until its job gives it back", async () => {
  const stage = new WaitingStage();
  const lease = stage.lease();
  stage.holdings.revoke(lease.leaseNumber, 7);
  assert.equal(lease.state, "held", "that was another one's");
  stage.holdings.revoke(lease.leaseNumber, lease.fencingToken);
  await stage.clock.settle();
  assert.deepEqual([stage.lossOf(lease), lease.signal.aborted, stage.released], ["revoked", true, []]);
  await settled(stage, lease.release());
  assert.deepEqual(stage.released, [lease.leaseNumber]);
});
