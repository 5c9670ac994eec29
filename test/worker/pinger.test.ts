import assert from "node:assert/strict";
import test from "node:test";
import { LIMITS, PingerStage, TRUST } from "../support/pinger-stage.js";

test("the first session is begun under a fresh id, with the limits that peers are to judge it by", async () => {
  const stage = new PingerStage();
  await stage.clock.settle();
  assert.deepEqual(
    stage.connection.verbs,
    ["listen", "begin"],
    "the record says whether it listens, so that comes first",
  );
  const { request } = stage.connection.asked("begin");
  assert.equal(request.sessionId, "locker.1");
  assert.equal(request.mode, "new");
  const { sessionTtlMs, disconnectGraceMs, pingIntervalMs, driftMs, labels } = request;
  assert.deepEqual(
    [sessionTtlMs, disconnectGraceMs, pingIntervalMs, driftMs, labels],
    [10_000, 1_500, 500, 100, { release: "7" }],
  );
  assert.equal(stage.isTrusted, false);
});

test("a session that was begun is announced once, with the epoch that was raised before its first trust", async () => {
  const stage = new PingerStage();
  await stage.clock.settle();
  await stage.answerBegin();
  assert.deepEqual(stage.cells.log, ["epoch", "trust"]);
  const [change, ...more] = stage.messages;
  assert.deepEqual(more, []);
  assert.ok(change?.type === "session");
  assert.deepEqual(
    [change.cause, change.epoch, change.session.sessionId, change.session.era],
    ["begun", 1, "locker.1", "era1"],
  );
  assert.equal(stage.isTrusted, true);
});

test("it pings once per interval, in the era it lives in", async () => {
  const stage = await PingerStage.begun();
  for (let i = 0; i < 5; i++) {
    await stage.clock.advance(LIMITS.pingIntervalMs - 1);
    assert.deepEqual(stage.connection.unanswered, []);
    await stage.clock.advance(1);
    assert.deepEqual(stage.connection.asked("ping").request, {
      ...{ sessionId: "locker.1", era: "era1", recoveryMs: 2_500, clockStepped: false },
    });
    await stage.answerPing();
  }
  assert.deepEqual(stage.messages, [], "a quiet session tells the main thread nothing");
  assert.equal(stage.store.connections.length, 1);
});

test("trust counts from the time a ping was sent, not from its answer", async () => {
  const stage = await PingerStage.begun();
  await stage.clock.advance(500);
  await stage.clock.advance(400); // the answer takes its time
  await stage.answerPing();
  await stage.clock.advance(TRUST - 400 - 1);
  stage.connection.unanswered.length = 0;
  assert.equal(stage.isTrusted, true, "1 299 ms after the sending");
  stage.clock.pass(1);
  assert.equal(stage.isTrusted, false, "1 300 ms after the sending");
});

test("an answer that comes after its trust has run out gives none", async () => {
  const stage = await PingerStage.begun();
  await stage.clock.advance(500);
  const late = stage.connection.asked("ping");
  stage.clock.pass(TRUST);
  late.answer(stage.store.answer());
  await stage.clock.settle();
  assert.equal(stage.isTrusted, false);
  await stage.clock.advance(500);
  await stage.answerPing();
  assert.equal(stage.isTrusted, true, "the next one does");
  assert.deepEqual(
    stage.messages.map(({ type }) => type).filter((type) => type !== "failure"),
    ["trusted", "trusted"],
  );
});

test("trust that lapsed and came back raises no epoch: a session that was not condemned has lost nothing", async () => {
  const stage = await PingerStage.begun();
  await stage.clock.advance(500);
  stage.clock.pass(5_000);
  await stage.answerPing();
  await stage.clock.advance(500);
  await stage.answerPing();
  assert.equal(stage.isTrusted, true);
  assert.ok(!stage.cells.log.includes("epoch"));
});

test("a condemned session's trust is over at once, and the next one gets a fresh id and a later epoch", async () => {
  const stage = await PingerStage.begun();
  await stage.clock.advance(500);
  await stage.answerPing(stage.store.answer("condemned"));
  assert.deepEqual(stage.cells.log, ["end", "epoch"]);
  assert.equal(stage.isTrusted, false);
  assert.deepEqual(stage.messages, [], "there is nothing to announce before the next one lives");
  const { request } = stage.connection.asked("begin");
  assert.deepEqual([request.sessionId, request.mode], ["locker.2", "new"]);
  await stage.answerBegin();
  assert.deepEqual(stage.cells.log, ["end", "epoch", "epoch", "trust"]);
  assert.equal(stage.isTrusted, true);
  const { cause, epoch, session } = stage.changes[0]!;
  assert.deepEqual([cause, epoch, session.sessionId], ["condemned", 3, "locker.2"]);
});

test("a session that is condemned before it was ever alive is followed by the next one", async () => {
  const stage = new PingerStage();
  await stage.clock.settle();
  await stage.answerBegin(stage.store.answer("condemned"));
  assert.equal(stage.connection.asked("begin").request.sessionId, "locker.2");
  assert.equal(stage.isTrusted, false);
});

test("a lease taken from the living session raises the epoch before the trust of that same answer", async () => {
  const stage = await PingerStage.begun();
  await stage.pings(1);
  stage.cells.log.length = 0;
  stage.store.lostCounter = 1;
  await stage.pings(1);
  assert.deepEqual(stage.cells.log, ["epoch", "trust"]);
  const { cause, epoch, session } = stage.changes[0]!;
  assert.deepEqual([cause, epoch, session.sessionId, session.lostCounter], ["taken", 2, "locker.1", 1]);
  await stage.pings(2);
  assert.deepEqual(stage.cells.log, ["epoch", "trust", "trust", "trust"], "told once");
});

test("a push is only a hint: it makes the session ask at once", async () => {
  const stage = await PingerStage.begun();
  await stage.clock.advance(100);
  stage.connection.push();
  await stage.clock.settle();
  await stage.answerPing(stage.store.answer("condemned"));
  assert.equal(stage.isTrusted, false);
});

test("pushes that come while a ping is under way lead to one more, whose answer is newer than they are", async () => {
  const stage = await PingerStage.begun();
  await stage.clock.advance(500);
  for (let i = 0; i < 3; i++) stage.connection.push();
  await stage.clock.settle();
  assert.equal(stage.connection.unanswered.length, 1);
  await stage.answerPing();
  assert.equal(stage.connection.unanswered.length, 1);
  await stage.answerPing();
  assert.deepEqual(stage.connection.unanswered, []);
});

test("a refusal of the store is told, and asked again at the next interval, not at once", async () => {
  const stage = await PingerStage.begun();
  await stage.clock.advance(500);
  stage.connection.push(); // even when there is a reason to hurry
  stage.connection.asked("ping").fail(new Error("LOADING"));
  await stage.clock.settle();
  assert.equal(stage.failures.length, 1);
  stage.connection.asked("ping").fail(new Error("LOADING"));
  await stage.clock.settle();
  assert.deepEqual(stage.connection.unanswered, []);
  await stage.clock.advance(499);
  assert.deepEqual(stage.connection.unanswered, []);
  await stage.clock.advance(1);
  stage.connection.asked("ping");
});

test("the longest recovery window that the namespace was ever told is passed on to whoever asks", async () => {
  const stage = await PingerStage.begun();
  await stage.pings(1, () => stage.store.answer("alive", { recoveryMs: 9_000 }));
  await stage.clock.advance(500);
  assert.equal(stage.connection.asked("ping").request.recoveryMs, 9_000);
});

test("a session that no connection broke for tells so where no other store vouches for it", async () => {
  for (const isVouched of [true, false]) {
    const stage = await PingerStage.begun();
    await stage.clock.advance(TRUST + 500);
    Object.assign(stage.store, { era: "era2", recovering: true });
    await stage.answerPing(stage.store.answer("reenter", { isVouched }));
    const { sessionId, mode, lived } = stage.connection.asked("begin").request;
    assert.deepEqual([sessionId, mode, lived?.isSilent], ["locker.1", "provisional", isVouched ? undefined : true]);
  }
});
