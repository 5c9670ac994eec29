import assert from "node:assert/strict";
import test from "node:test";
import { PingerStage } from "../support/pinger-stage.js";

test("a main thread that stands still costs the session: trust ends first, then it says goodbye", async () => {
  const stage = await PingerStage.begun();
  stage.pinger.park();
  assert.equal(stage.isTrusted, false);
  assert.deepEqual(stage.cells.log, ["end", "epoch"]);
  await stage.clock.settle();
  assert.equal(stage.connection.asked("goodbye").request, "locker.1");
});

test("a parked worker asks nothing, however often it is told so and whatever is pushed", async () => {
  const stage = await PingerStage.begun();
  stage.pinger.park();
  stage.connection.asked("goodbye").answer(undefined);
  stage.pinger.park();
  stage.connection.push();
  await stage.clock.advance(60_000);
  assert.deepEqual(stage.connection.unanswered, []);
  assert.deepEqual(stage.connection.verbs, ["listen", "begin", "goodbye"]);
});

test("a main thread that goes on again gets a fresh session, whose leases are judged as lapsed", async () => {
  const stage = await PingerStage.begun();
  stage.pinger.unpark(); // which it always does while nothing is wrong
  assert.deepEqual(stage.connection.unanswered, []);
  stage.pinger.park();
  stage.connection.asked("goodbye").answer(undefined);
  await stage.clock.advance(3_000);
  stage.pinger.unpark();
  await stage.clock.settle();
  assert.equal(stage.connection.asked("begin").request.sessionId, "locker.2");
  await stage.answerBegin();
  assert.equal(stage.isTrusted, true);
  assert.equal(stage.changes[0]?.cause, "lapsed");
});

test("an answer that arrives while parked gives no trust, nor does one to the session that is over", async () => {
  const stage = await PingerStage.begun();
  await stage.clock.advance(500);
  const asked = stage.connection.asked("ping");
  stage.pinger.park();
  asked.answer(stage.store.answer());
  await stage.clock.settle();
  assert.equal(stage.isTrusted, false);
  assert.ok(!stage.cells.log.includes("trust"));
});

/** Its first connection is up and still asks to listen. */
async function listening(): Promise<PingerStage> {
  const stage = new PingerStage({ opensByItself: false, listensByItself: false });
  stage.connection.comeUp();
  await stage.clock.settle();
  return stage;
}

test("a worker that is parked while its connection asks to listen begins no session there", async () => {
  const stage = await listening();
  stage.pinger.park();
  stage.connection.asked("listen").answer(true);
  stage.connection.asked("goodbye").answer(undefined);
  await stage.clock.settle();
  assert.deepEqual(stage.connection.verbs, ["listen", "goodbye"]);
  stage.pinger.unpark();
  await stage.clock.settle();
  assert.equal(stage.connection.asked("listen").request, "locker.2", "it goes on when the main thread does");
});

test("a session that begins while a connection asks to listen for the last one is listened for first", async () => {
  const stage = await listening();
  stage.pinger.park();
  stage.pinger.unpark();
  assert.equal(stage.connection.asked("listen").request, "locker.1");
  stage.connection.asked("listen").answer(true);
  stage.connection.asked("goodbye").answer(undefined);
  await stage.clock.settle();
  assert.equal(stage.connection.asked("listen").request, "locker.2", "else peers would see its channel empty");
  stage.connection.asked("listen").answer(true);
  await stage.clock.settle();
  assert.equal(stage.connection.asked("begin").request.sessionId, "locker.2");
});

test("trust ends before the store is told goodbye, and nothing follows", async () => {
  const stage = await PingerStage.begun();
  const stopped = stage.pinger.stop(true, 10_000);
  assert.equal(stage.isTrusted, false);
  assert.deepEqual(stage.cells.log, ["end", "epoch"]);
  await stage.clock.settle();
  assert.equal(stage.connection.isClosed, false, "the connection stays until the goodbye was answered");
  stage.connection.asked("goodbye").answer(undefined);
  await stopped;
  assert.equal(stage.connection.isClosed, true);
  await stage.clock.advance(60_000);
  assert.deepEqual(stage.connection.verbs, ["listen", "begin", "goodbye"]);
  assert.equal(stage.clock.pending, 0, "no timer is left");
});

test("a stop without goodbye leaves the record, for what still runs under it", async () => {
  const stage = await PingerStage.begun();
  await stage.pinger.stop(false, 10_000);
  assert.equal(stage.isTrusted, false);
  assert.deepEqual(stage.connection.verbs, ["listen", "begin"]);
  assert.equal(stage.connection.isClosed, true);
  assert.equal(stage.clock.pending, 0);
});

test("a goodbye that fails is no error: peers find the session silent", async () => {
  const stage = await PingerStage.begun();
  const stopped = stage.pinger.stop(true, 10_000);
  await stage.clock.settle();
  stage.connection.break();
  await stopped;
  assert.deepEqual(stage.failures, []);
});

test("a session whose begin is still under way says goodbye behind it, or the begin would outlive it", async () => {
  const stage = new PingerStage();
  await stage.clock.settle();
  const stopped = stage.pinger.stop(true, 10_000);
  stage.connection.asked("begin").answer(stage.store.answer());
  stage.connection.asked("goodbye").answer(undefined);
  await stopped;
  assert.deepEqual(stage.connection.verbs, ["listen", "begin", "goodbye"]);
  assert.equal(stage.isTrusted, false);
  assert.deepEqual(stage.messages, []);
  assert.equal(stage.clock.pending, 0);
});

test("goodbye is said on every connection, for each may still have something under way", async () => {
  const stage = await PingerStage.begun();
  await stage.clock.advance(1_000);
  const stopped = stage.pinger.stop(true, 10_000);
  const [first, second] = stage.store.connections;
  for (const connection of [first, second]) {
    connection?.asked("ping").answer(stage.store.answer());
    assert.equal(connection?.asked("goodbye").request, "locker.1");
    connection?.asked("goodbye").answer(undefined);
  }
  await stopped;
  assert.deepEqual([first?.isClosed, second?.isClosed], [true, true]);
});

test("a stop without any connection does not wait for one", async () => {
  const stage = new PingerStage({ opensByItself: false });
  await stage.pinger.stop(true, 10_000);
  assert.deepEqual(stage.connection.verbs, []);
  assert.equal(stage.clock.pending, 0);
});

test("an answer that arrives during the goodbye gives no trust", async () => {
  const stage = await PingerStage.begun();
  await stage.clock.advance(500);
  const ping = stage.connection.asked("ping");
  const stopped = stage.pinger.stop(true, 10_000);
  ping.answer(stage.store.answer());
  await stage.clock.settle();
  assert.equal(stage.isTrusted, false);
  stage.connection.asked("goodbye").answer(undefined);
  await stopped;
  assert.equal(stage.isTrusted, false);
});

test("a connection that asks to listen during the goodbye does not write the session's record again", async () => {
  const stage = await PingerStage.begun();
  await stage.clock.advance(100);
  stage.store.era = "era2";
  stage.store.recovering = true;
  stage.store.listensByItself = false;
  stage.connection.break();
  await stage.clock.advance(250);
  stage.connection.asked("listen").answer(true);
  await stage.clock.settle();
  await stage.answerPing(stage.store.answer("reenter")); // what it asks for next is begin, on a new connection
  stage.connection.break();
  await stage.clock.advance(250);
  const listen = stage.connection.asked("listen");
  const stopped = stage.pinger.stop(true, 10_000);
  listen.answer(true);
  await stage.clock.settle();
  stage.connection.asked("goodbye").answer(undefined);
  await stopped;
  assert.deepEqual(stage.connection.verbs, ["listen", "goodbye"]);
});

test("a break during the stop opens no other connection", async () => {
  const stage = await PingerStage.begun();
  const stopped = stage.pinger.stop(true, 10_000);
  stage.connection.break();
  await stopped;
  await stage.clock.advance(10_000);
  assert.equal(stage.store.connections.length, 1);
  assert.equal(stage.clock.pending, 0);
});
