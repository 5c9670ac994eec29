import assert from "node:assert/strict";
import test from "node:test";
import { LIMITS, PingerStage } from "../support/pinger-stage.js";

/** Two connections owe an answer: the first one a ping, the second one, opened after an interval, another. */
async function hedged() {
  const stage = await PingerStage.begun();
  await stage.clock.advance(2 * LIMITS.pingIntervalMs);
  const [first, second] = stage.store.connections;
  if (!first || !second) throw new Error("no second connection was opened");
  return { stage, first, second };
}

test("a ping that stays unanswered for one interval opens a second connection, which pings as well", async () => {
  const stage = await PingerStage.begun();
  await stage.clock.advance(LIMITS.pingIntervalMs);
  assert.equal(stage.store.connections.length, 1);
  await stage.clock.advance(LIMITS.pingIntervalMs - 1);
  assert.equal(stage.store.connections.length, 1);
  await stage.clock.advance(1);
  assert.equal(stage.store.connections.length, 2);
  assert.deepEqual(stage.connection.verbs, ["listen", "ping"]);
  await stage.clock.advance(10 * LIMITS.pingIntervalMs);
  assert.equal(stage.store.connections.length, 2, "and never a third");
});

test("the second connection stays when it answers first, and the first is closed", async () => {
  const { stage, first, second } = await hedged();
  second.asked("ping").answer(stage.store.answer());
  await stage.clock.settle();
  assert.deepEqual([first.isClosed, second.isClosed], [true, false]);
  assert.equal(stage.isTrusted, true);
  await stage.pings(2);
  assert.equal(stage.store.connections.length, 2);
});

test("the first connection stays when it answers after all, and the second is closed", async () => {
  const { stage, first, second } = await hedged();
  first.asked("ping").answer(stage.store.answer());
  await stage.clock.settle();
  assert.deepEqual([first.isClosed, second.isClosed], [false, true]);
});

test("a connection that is closed because the other answered has not broken, and is no failure", async () => {
  const { stage, second } = await hedged();
  second.asked("ping").answer(stage.store.answer());
  await stage.clock.settle();
  assert.equal(stage.cells.readBrokenAgoMs(stage.clock.monoMs()), Infinity);
  assert.deepEqual(stage.failures, []);
});

test("an answer older than the newest one that was handled is ignored", async () => {
  const { stage, first, second } = await hedged();
  const [older, newer] = [first.asked("ping"), second.asked("ping")];
  newer.answer(stage.store.answer("alive"));
  older.answer(stage.store.answer("condemned")); // both arrive before the first connection can be closed
  await stage.clock.settle();
  assert.equal(stage.isTrusted, true);
  assert.deepEqual(stage.cells.log, ["trust"]);
});

test("an answer to a session that is over is ignored", async () => {
  const { stage, first, second } = await hedged();
  const [older, newer] = [first.asked("ping"), second.asked("ping")];
  older.answer(stage.store.answer("condemned"));
  newer.answer(stage.store.answer("alive"));
  await stage.clock.settle();
  assert.equal(stage.isTrusted, false);
  assert.equal(first.asked("begin").request.sessionId, "locker.2");
});

test("a break is written down, told once, and the next connection is tried within 250 ms", async () => {
  const stage = await PingerStage.begun();
  await stage.clock.advance(LIMITS.pingIntervalMs);
  stage.connection.break(new Error("reset by peer"));
  await stage.clock.settle();
  assert.equal(stage.cells.readBrokenAgoMs(stage.clock.monoMs()), 0);
  assert.deepEqual(stage.failures.length, 1);
  assert.match(stage.failures[0]!, /reset by peer/);
  await stage.clock.advance(250);
  assert.equal(stage.store.connections.length, 2);
  await stage.answerPing();
  assert.equal(stage.isTrusted, true, "the same session goes on");
});

test("a break that is long past is forgotten before its time could wrap around", async () => {
  const stage = await PingerStage.begun();
  stage.connection.break();
  await stage.clock.advance(250);
  await stage.answerPing();
  await stage.pings(200);
  assert.equal(stage.cells.readBrokenAgoMs(stage.clock.monoMs()), Infinity);
});

test("a store whose clock certainly stepped forward is told so at once, and once", async () => {
  const stage = await PingerStage.begun();
  await stage.pings(2);
  stage.store.aheadMs += 400_000;
  await stage.pings(1);
  const { request } = stage.connection.asked("ping");
  assert.equal(request.clockStepped, true);
  await stage.answerPing();
  assert.deepEqual(stage.connection.unanswered, []);
  await stage.clock.advance(500);
  assert.equal(stage.connection.asked("ping").request.clockStepped, false);
});

test("a step that could not be told, since the connection broke, is told by the next ping", async () => {
  const stage = await PingerStage.begun();
  await stage.pings(1);
  stage.store.aheadMs += 400_000;
  await stage.pings(1);
  stage.connection.break();
  await stage.clock.advance(250);
  assert.equal(stage.connection.asked("ping").request.clockStepped, true);
});

test("neither a late reply nor a step of our own wall clock is taken for a step of the store's", async () => {
  const stage = await PingerStage.begun();
  await stage.clock.advance(500);
  stage.clock.pass(8_000);
  await stage.answerPing();
  assert.deepEqual(stage.connection.unanswered, []);
  stage.clock.stepWall(-3_600_000);
  await stage.pings(1);
  stage.clock.stepWall(3_600_000);
  await stage.pings(1);
  assert.deepEqual(stage.connection.unanswered, []);
  await stage.clock.advance(500);
  assert.equal(stage.connection.asked("ping").request.clockStepped, false);
});
