import assert from "node:assert/strict";
import test from "node:test";
import type { FromWorker, SessionCause, SessionState } from "../src/liveness-protocol.js";
import { Session, type SessionChange } from "../src/session.js";
import { SharedCells } from "../src/shared-cells.js";
import { FakeClock } from "./support/fake-clock.js";

const TRUST = 1_300;
const state: SessionState = {
  ...{ sessionId: "locker.1", era: "era1", lostCounter: 0, recoveryMs: 2_500, recovering: false },
};

/** The main thread's session, with a hand on what the worker writes and says. */
function stage() {
  const clock = new FakeClock();
  const cells = new SharedCells(TRUST);
  const changes: SessionChange[] = [];
  const news = { count: 0 };
  const session = new Session(
    clock,
    cells,
    "locker",
    (change) => void changes.push(change),
    () => (news.count += 1),
  );
  const trust = () => cells.writeTrust(clock.monoMs(), clock.wallMs(), TRUST);
  const change = (cause: SessionCause, more: Partial<SessionState> = {}) => {
    const epoch = cells.raiseEpoch();
    trust();
    session.receive({ type: "session", epoch, cause, session: { ...state, ...more } });
  };
  return { clock, cells, session, changes, news, trust, change };
}

const forever = () => new AbortController().signal;
const failure = (code: "unreachable" | "denied"): FromWorker => ({ type: "failure", code, message: `it is ${code}` });

test("there is no stamp before a session was told, nor without trust", () => {
  const { cells, clock, session, trust } = stage();
  trust();
  assert.equal(session.stamp(), undefined);
  session.receive({ type: "session", epoch: cells.raiseEpoch(), cause: "begun", session: state });
  const identity = { lockerId: "locker", sessionId: "locker.1", era: "era1", recoveryMs: 2_500 };
  assert.deepEqual(session.stamp(), { identity, epoch: 1 });
  clock.pass(TRUST);
  assert.equal(session.stamp(), undefined);
  assert.deepEqual(session.latest(), { identity, epoch: 1 }, "which is enough to give back");
});

test("what happened is seen in the cells before it is told: from then on no earlier stamp counts", () => {
  const { cells, session, change } = stage();
  change("begun");
  const stamp = session.stamp();
  assert.ok(stamp && session.isCurrent(stamp) && session.isLatest(stamp));
  cells.raiseEpoch();
  assert.equal(session.stamp(), undefined);
  assert.equal(session.isCurrent(stamp), false);
  assert.equal(session.isLatest(stamp), false);
});

test("a message that is older than the cells gives no stamp", () => {
  const { cells, session, trust } = stage();
  const epoch = cells.raiseEpoch();
  cells.raiseEpoch();
  trust();
  session.receive({ type: "session", epoch, cause: "begun", session: state });
  assert.equal(session.stamp(), undefined);
});

test("an answer asked for before the session changed does not count, though everything else is the same", () => {
  const { session, change, cells } = stage();
  change("begun");
  const before = session.stamp();
  assert.ok(before);
  session.receive({ type: "session", epoch: cells.readEpoch(), cause: "resumed", session: state });
  assert.equal(session.isCurrent(before), false);
  assert.equal(session.isLatest(before), false);
  assert.ok(session.stamp());
});

test("an answer counts only while trust lasts; that nothing has happened is known without it", () => {
  const { clock, session, change } = stage();
  change("begun");
  const stamp = session.stamp();
  assert.ok(stamp);
  clock.pass(TRUST - 1);
  assert.equal(session.isCurrent(stamp), true);
  clock.pass(1);
  assert.equal(session.isCurrent(stamp), false);
  assert.equal(session.isLatest(stamp), true);
});

test("every change is told with what was before and whether the store's memory is another", () => {
  const { changes, change } = stage();
  change("begun");
  change("reentered", { era: "era2" });
  change("condemned", { era: "era2", sessionId: "locker.2" });
  assert.deepEqual(
    changes.map(({ cause, previous, stamp, eraChanged }) => [cause, previous?.era, stamp.epoch, eraChanged]),
    [
      ["begun", undefined, 1, false],
      ["reentered", "era1", 2, true],
      ["condemned", "era2", 3, false],
    ],
  );
});

test("whoever waits for trust gets the stamp as soon as there is one", async () => {
  const { clock, session, change } = stage();
  const waiting = session.whenTrusted(forever());
  await clock.settle();
  change("begun");
  assert.equal(await waiting, session.stamp());
});

test("whoever waits for trust sees it come back though no message says so", async () => {
  const { clock, session, change, trust } = stage();
  session.start();
  change("begun");
  clock.pass(TRUST);
  let trusted = false;
  void session.whenTrusted(forever()).then(() => (trusted = true));
  await clock.settle();
  assert.equal(trusted, false);
  trust();
  await clock.advance(250);
  assert.equal(trusted, true);
  session.stop();
});

test("a wait ends with the reason of its signal, also of one that has aborted before", async () => {
  const { clock, session } = stage();
  const abort = new AbortController();
  const waiting = assert.rejects(session.whenTrusted(abort.signal), /enough/);
  await clock.settle();
  abort.abort(new Error("enough"));
  await waiting;
  await assert.rejects(session.whenTrusted(abort.signal), /enough/);
  await assert.rejects(session.news(abort.signal), /enough/);
});

test("a failure that waiting does not mend ends the wait, a passing one does not", async () => {
  const { clock, session, change } = stage();
  let outcome = "waits";
  void session.whenTrusted(forever()).then(
    () => (outcome = "trusted"),
    (error: Error) => (outcome = error.message),
  );
  session.receive(failure("unreachable"));
  await clock.settle();
  assert.equal(outcome, "waits");
  session.receive(failure("denied"));
  await clock.settle();
  assert.match(outcome, /it is denied/);
  change("begun");
  assert.equal(session.failure, undefined, "what works again has not failed");
});

test("the word that trust is back clears the failure and says how the window stands", () => {
  const { session, change } = stage();
  change("begun", { recovering: true });
  session.receive(failure("unreachable"));
  session.receive({ type: "trusted", recovering: false, recoveryMs: 9_000 });
  assert.equal(session.failure, undefined);
  assert.deepEqual([session.state?.recovering, session.state?.recoveryMs], [false, 9_000]);
});

test("everything that is told lets those who wait look again, all of them and once", async () => {
  const { clock, session, news, change } = stage();
  let looks = 0;
  for (let i = 0; i < 3; i++) void session.news(forever()).then(() => (looks += 1));
  change("begun");
  await clock.settle();
  assert.deepEqual([looks, news.count], [3, 1]);
  change("taken");
  await clock.settle();
  assert.deepEqual([looks, news.count], [3, 2]);
});

test("the main thread ticks four times a second while it runs, and not while it is blocked", async () => {
  const { clock, cells, session } = stage();
  session.start();
  await clock.advance(2_000);
  assert.equal(cells.readMainTick(), 8);
  clock.pass(60_000);
  assert.equal(cells.readMainTick(), 8);
  await clock.advance(0);
  assert.equal(cells.readMainTick(), 9);
  session.stop();
  assert.equal(clock.pending, 0);
});

test("the lag of the event loop is seen while it lasts, just after, and then fades", async () => {
  const { clock, session } = stage();
  session.start();
  await clock.advance(1_000);
  assert.equal(session.eventLoopLagMs, 0);
  clock.pass(4_250);
  assert.equal(session.eventLoopLagMs, 4_000, "seen by whoever runs before the timer");
  await clock.advance(0);
  assert.equal(session.eventLoopLagMs, 4_000);
  await clock.advance(1_000);
  assert.ok(session.eventLoopLagMs > 0 && session.eventLoopLagMs <= 1_000);
  await clock.advance(10_000);
  assert.ok(session.eventLoopLagMs < 1);
  session.stop();
});

test("a break of the worker's connection is so long ago", () => {
  const { clock, cells, session } = stage();
  assert.equal(session.brokenAgoMs, Infinity);
  cells.writeBrokenAt(clock.monoMs());
  clock.pass(70);
  assert.equal(session.brokenAgoMs, 70);
});
