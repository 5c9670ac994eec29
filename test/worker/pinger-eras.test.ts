import assert from "node:assert/strict";
import test from "node:test";
import type { SessionState } from "../../src/liveness-protocol.js";
import { LIMITS, PingerStage, TRUST } from "../support/pinger-stage.js";

/** The store forgets everything: its window is open, in another era. */
function loseMemory(stage: PingerStage): void {
  stage.store.era = "era2";
  stage.store.recovering = true;
}

test("a trusted session hears of the loss, re-enters under its own id, and every lease is judged anew", async () => {
  const stage = await PingerStage.begun();
  loseMemory(stage);
  await stage.pings(1, () => stage.store.answer("reenter"));
  assert.deepEqual(stage.cells.log, ["epoch"], "leases are unsure from the moment it hears");
  const { request } = stage.connection.asked("begin");
  assert.deepEqual([request.sessionId, request.mode, request.era], ["locker.1", "trusted", "era2"]);
  await stage.answerBegin();
  assert.deepEqual(stage.cells.log, ["epoch", "epoch", "trust"]);
  assert.equal(stage.isTrusted, true);
  const { cause, epoch, session } = stage.changes[0]!;
  assert.deepEqual([cause, epoch, session.sessionId, session.era], ["reentered", 3, "locker.1", "era2"]);
  assert.equal(session.recovering, true);
});

test("when the window closes for a trusted session, the main thread is told and no epoch is raised", async () => {
  const stage = await PingerStage.begun();
  loseMemory(stage);
  await stage.pings(1, () => stage.store.answer("reenter"));
  await stage.answerBegin();
  stage.cells.log.length = 0;
  stage.messages.length = 0;
  await stage.pings(1);
  stage.store.recovering = false;
  await stage.pings(1);
  assert.deepEqual(stage.messages, [{ type: "trusted", recovering: false, recoveryMs: 2_500 }]);
  assert.ok(!stage.cells.log.includes("epoch"));
});

test("it asks again just when the window may close, and not an interval later", async () => {
  const stage = await PingerStage.begun();
  stage.store.recovering = true;
  await stage.pings(1, () => stage.store.answer("alive", { openInMs: 120 }));
  await stage.clock.advance(120);
  assert.deepEqual(stage.connection.unanswered, []);
  await stage.clock.advance(1);
  await stage.answerPing(stage.store.answer("alive", { recovering: false }));
  await stage.clock.advance(LIMITS.pingIntervalMs - 1);
  assert.deepEqual(stage.connection.unanswered, [], "then the interval counts again");
});

/** Served until the connection broke, away for longer than trust lasts, and back where the answer is "reenter". */
async function backProvisionally(): Promise<PingerStage> {
  const stage = await PingerStage.begun();
  await stage.pings(2);
  await stage.clock.advance(300);
  stage.store.opensByItself = false;
  stage.connection.break();
  await stage.clock.advance(TRUST);
  loseMemory(stage);
  stage.connection.comeUp();
  await stage.clock.settle();
  await stage.answerPing(stage.store.answer("reenter"));
  stage.cells.log.length = 0;
  stage.messages.length = 0;
  return stage;
}

test("a session whose trust lapsed, but which was served until the break, re-enters provisionally", async () => {
  const stage = await backProvisionally();
  const { request } = stage.connection.asked("begin");
  assert.deepEqual([request.sessionId, request.mode, request.era], ["locker.1", "provisional", "era2"]);
});

test("a provisional session gets no trust before the window closes, and a raised epoch before it does", async () => {
  const stage = await backProvisionally();
  await stage.answerBegin(stage.store.answer("recovering"));
  assert.equal(stage.changes[0]?.cause, "reentered");
  await stage.pings(4, () => stage.store.answer("recovering"));
  assert.deepEqual(stage.cells.log, ["epoch"], "never trust");
  assert.equal(stage.isTrusted, false);
  stage.store.recovering = false;
  stage.messages.length = 0;
  await stage.pings(1);
  assert.deepEqual(stage.cells.log, ["epoch", "epoch", "trust"]);
  assert.equal(stage.isTrusted, true);
  assert.equal(stage.changes[0]?.cause, "settled");
});

test("a session that asked to enter provisionally gets no trust in the window, whatever its record says", async () => {
  const stage = await backProvisionally();
  // A begin of its own that came very late wrote the record anew, as that of a session nobody doubts.
  await stage.answerBegin(stage.store.answer("alive"));
  await stage.pings(4, () => stage.store.answer("alive"));
  assert.deepEqual(stage.cells.log, ["epoch"], "never trust");
  stage.store.recovering = false;
  stage.messages.length = 0;
  await stage.pings(1);
  assert.deepEqual(stage.cells.log, ["epoch", "epoch", "trust"]);
  assert.equal(stage.changes[0]?.cause, "settled");
});

test("a provisional session that is condemned in the window was so before: nothing of it is left", async () => {
  const stage = await backProvisionally();
  await stage.answerBegin(stage.store.answer("recovering"));
  await stage.pings(1, () => stage.store.answer("condemned"));
  assert.equal(stage.connection.asked("begin").request.sessionId, "locker.2");
  assert.equal(stage.isTrusted, false);
  await stage.answerBegin();
  assert.equal(stage.changes.at(-1)?.cause, "refused", "its keys may have been taken since, so none is re-owned");
});

test("a session that may have been condemned unheard is refused re-entry and followed by a fresh one", async () => {
  const stage = await PingerStage.begun();
  await stage.clock.advance(500);
  stage.clock.pass(TRUST + 1); // it stood still, and the store may have served others
  loseMemory(stage);
  await stage.answerPing(stage.store.answer("reenter"));
  assert.ok(stage.cells.log.includes("end") && stage.cells.log.includes("epoch"));
  const { request } = stage.connection.asked("begin");
  assert.deepEqual([request.sessionId, request.mode], ["locker.2", "new"]);
  await stage.answerBegin();
  assert.equal(stage.changes[0]?.cause, "refused");
});

test("a session that asked in vain for long before it stood still comes back by the store's data", async () => {
  const stage = await PingerStage.begun();
  await stage.clock.advance(TRUST + 500);
  stage.clock.pass(TRUST + 1);
  loseMemory(stage);
  await stage.answerPing(stage.store.answer("reenter"));
  const { request } = stage.connection.asked("begin");
  assert.deepEqual([request.sessionId, request.mode, request.lived?.isSilent], ["locker.1", "provisional", true]);
});

test("a machine that was suspended while it was cut off is refused, though its own clock stood still", async () => {
  const stage = await PingerStage.begun();
  await stage.pings(1);
  stage.store.opensByItself = false;
  stage.connection.break();
  await stage.clock.advance(300);
  stage.clock.stepWall(600_000);
  loseMemory(stage);
  stage.connection.comeUp();
  await stage.clock.settle();
  await stage.answerPing(stage.store.answer("reenter"));
  assert.equal(stage.connection.asked("begin").request.sessionId, "locker.2");
});

test("a second loss before the first re-entry was answered leads into the newest era", async () => {
  const stage = await PingerStage.begun();
  loseMemory(stage);
  await stage.pings(1, () => stage.store.answer("reenter"));
  stage.store.era = "era3";
  await stage.answerBegin(stage.store.answer("reenter"));
  const { request } = stage.connection.asked("begin");
  assert.deepEqual([request.sessionId, request.mode, request.era], ["locker.1", "trusted", "era3"]);
  await stage.answerBegin();
  assert.equal(stage.changes[0]?.session.era, "era3");
});

test("a window that closed before the session was heard refuses it", async () => {
  const stage = await PingerStage.begun();
  loseMemory(stage);
  await stage.pings(1, () => stage.store.answer("reenter"));
  stage.store.recovering = false;
  await stage.answerBegin(stage.store.answer("condemned"));
  await stage.answerBegin();
  assert.deepEqual([stage.changes[0]?.cause, stage.changes[0]?.session.sessionId], ["refused", "locker.2"]);
});

const resumed: SessionState = {
  ...{ sessionId: "locker.4", era: "era1", lostCounter: 2, recoveryMs: 2_500, recovering: false },
};

test("a worker that was started again goes on under the session and the epoch that it finds", async () => {
  const stage = new PingerStage({ resume: resumed, taken: 4 });
  assert.deepEqual(
    stage.changes.map(({ cause, epoch }) => [cause, epoch]),
    [["resumed", 0]],
  );
  await stage.clock.settle();
  assert.deepEqual(stage.connection.verbs, ["listen", "ping"]);
  await stage.answerPing(stage.store.answer("alive", { lostCounter: 2 }));
  assert.deepEqual(stage.cells.log, ["trust"]);
  await stage.pings(1, () => stage.store.answer("condemned"));
  assert.equal(stage.connection.asked("begin").request.sessionId, "locker.5", "ids go on where the last run stopped");
});

test("a worker that was started again in the window has every lease judged anew when it closes", async () => {
  // What it held there provisionally may have been written over since, and the last run can no longer tell.
  const stage = new PingerStage({ resume: { ...resumed, recovering: true }, taken: 4 });
  await stage.clock.settle();
  stage.store.lostCounter = 2;
  stage.store.recovering = true;
  await stage.answerPing(stage.store.answer("recovering"));
  assert.equal(stage.isTrusted, false);
  stage.store.recovering = false;
  await stage.pings(1);
  assert.deepEqual(stage.cells.log, ["epoch", "trust"]);
  assert.equal(stage.changes.at(-1)?.cause, "settled");
});

test("a worker that was started again in the window and hears only of its end has its leases judged", async () => {
  const stage = new PingerStage({ resume: { ...resumed, recovering: true }, taken: 4 });
  await stage.clock.settle();
  stage.store.lostCounter = 2;
  await stage.pings(1);
  assert.deepEqual(stage.cells.log, ["epoch", "trust"]);
  assert.equal(stage.changes.at(-1)?.cause, "settled");
});

test("a worker that was started again does not enter by a trust that it did not earn", async () => {
  // The last run may have had a later session trusted, and died before the main thread was told of it.
  const stage = new PingerStage({ resume: resumed, taken: 4 });
  stage.cells.writeTrust(stage.clock.monoMs(), stage.clock.wallMs(), TRUST);
  await stage.clock.settle();
  loseMemory(stage);
  await stage.answerPing(stage.store.answer("reenter"));
  const { request } = stage.connection.asked("begin");
  assert.deepEqual([request.sessionId, request.mode], ["locker.5", "new"]);
});

test("a worker that was started again hears from the store that its session is there provisionally", async () => {
  // The last run entered, and died before the main thread was told.
  const stage = new PingerStage({ resume: resumed, taken: 4 });
  await stage.clock.settle();
  loseMemory(stage);
  await stage.answerPing(stage.store.answer("recovering"));
  await stage.pings(1, () => stage.store.answer("condemned"));
  await stage.answerBegin();
  assert.equal(stage.changes.at(-1)?.cause, "refused", "what it held may have been taken before the loss");
});

test("a session that lives in an era which it has not entered waits for the end of the window", async () => {
  const stage = await PingerStage.begun();
  loseMemory(stage);
  stage.cells.log.length = 0;
  await stage.pings(1); // a begin that had come very late made its record there
  assert.equal(stage.changes.at(-1)?.cause, "reentered");
  assert.deepEqual(stage.cells.log, ["epoch"], "and no trust");
  await stage.clock.advance(TRUST);
  assert.equal(stage.isTrusted, false, "it may have been condemned before the loss");
  stage.cells.log.length = 0;
  stage.store.recovering = false;
  await stage.answerPing();
  assert.deepEqual(stage.cells.log, ["epoch", "trust"]);
  assert.equal(stage.changes.at(-1)?.cause, "settled");
});
