import assert from "node:assert/strict";
import test from "node:test";
import { ContentionJudge, type ContentionDeps } from "../src/contention.js";
import type { LeaseRecord } from "../src/databases/database.js";
import { Session } from "../src/session.js";
import { SharedCells } from "../src/shared-cells.js";
import { FakeClock } from "./support/fake-clock.js";
import { ScriptedLeases, unreachable } from "./support/scripted-leases.js";
import { exclusive } from "./support/lease-facts.js";

const TRUST = 1_300;

function stage(more: Partial<ContentionDeps> = {}) {
  const clock = new FakeClock();
  const cells = new SharedCells(TRUST);
  const store = new ScriptedLeases();
  const ended = new AbortController();
  const judge: ContentionJudge = new ContentionJudge({
    ...{ clock, store, lockerId: "locker", sessionTtlMs: 9_000, prove: () => "unknown", ended: ended.signal },
    session: new Session(
      clock,
      cells,
      "locker",
      () => undefined,
      () => undefined,
    ),
    knows: () => false,
    ...more,
  });
  return { clock, cells, store, judge, ended };
}

/** The same, with a trusted session in that era. */
function begun(more: Partial<ContentionDeps> = {}) {
  const clock = new FakeClock();
  const cells = new SharedCells(TRUST);
  const session = new Session(
    clock,
    cells,
    "locker",
    () => undefined,
    () => undefined,
  );
  const made = stage({ clock, session, ...more });
  const store = (more.store as ScriptedLeases | undefined) ?? made.store;
  const enter = (era: string, sessionId = "locker.1") => {
    const state = { sessionId, era, lostCounter: 0, recoveryMs: 2_500, recovering: true };
    const epoch = cells.raiseEpoch();
    cells.writeTrust(clock.monoMs(), clock.wallMs(), TRUST);
    session.receive({ type: "session", epoch, cause: "begun", session: state });
  };
  enter("era1");
  return { ...made, clock, cells, session, store, enter };
}

const lease = (sessionId = "other.1", leaseNumber = 5): LeaseRecord => ({
  ...{ key: "key", sessionId, leaseNumber, fencingToken: 70, acquiredAtMs: 4_000, era: "era1", trace: "why" },
  ...exclusive,
});

test("what this contender must wait on top of a holder's limit is part of the limit that is told", async () => {
  const { judge, store } = begun();
  Object.assign(store, { session: { silentMs: 10_500 }, steadyMs: 60_000, overlookedMs: 1_200 });
  const contention = await judge.judge(lease());
  assert.ok(contention.next === "unsure");
  assert.deepEqual([contention.againInMs, contention.limitMs], [700, 11_200]);
  assert.deepEqual(store.condemned, [], "the store would not");
});

test("a holder that lives is busy, and is described with what it told of itself", async () => {
  const { judge, store } = begun();
  store.session = { silentMs: 300, labels: { release: "7" } };
  store.steadyMs = 60_000;
  const contention = await judge.judge(lease());
  assert.ok(contention.next === "busy");
  assert.deepEqual([contention.againInMs, contention.limitMs], [9_700, 10_000]);
  assert.deepEqual(contention.holder, {
    ...{ key: "key", sessionId: "other.1", fencingToken: 70, acquiredAtMs: 4_000, heldForMs: 1_000, trace: "why" },
    ...{ host: "elsewhere", pid: 42, labels: { release: "7" } },
  });
  assert.deepEqual(store.condemned, []);
});

test("a holder past its limit is taken from only once the store has condemned it", async () => {
  const { judge, store } = begun();
  store.session = { silentMs: 10_000 };
  store.steadyMs = 60_000;
  assert.equal((await judge.judge(lease())).next, "unsure", "the store, looking again, says that it lives");
  const [request] = store.condemned;
  assert.deepEqual([request?.sessionId, request?.proof, request?.contenderSessionTtlMs], ["other.1", false, 9_000]);
  store.onCondemn = () => ({ status: "condemned", reason: "silent" });
  const contention = await judge.judge(lease());
  assert.ok(contention.next === "take");
  assert.deepEqual(contention.replace, [{ sessionId: "other.1", fencingToken: 70 }]);
  assert.equal(contention.takenFrom.reason, "silent");
});

test("who is not trusted condemns nobody", async () => {
  const { judge, store, clock } = begun();
  store.session = { silentMs: 10_000 };
  store.steadyMs = 60_000;
  clock.pass(TRUST);
  assert.equal((await judge.judge(lease())).next, "unsure");
  assert.deepEqual(store.condemned, []);
});

for (const state of ["absent", "condemned"] as const) {
  test(`a holder that is ${state} already needs no condemnation`, async () => {
    const { judge, store } = begun();
    store.session = { state };
    assert.equal((await judge.judge(lease())).next, "take");
    assert.deepEqual(store.condemned, []);
  });
}

test("a lease of this locker's last session is not taken from a job that holds it: it is re-owned", async () => {
  const known = begun({ knows: (leaseNumber) => leaseNumber === 5 });
  known.store.session = { state: "condemned" };
  known.enter("era1", "locker.2");
  assert.equal((await known.judge.judge(lease("locker.1", 5))).next, "unsure");
  assert.equal((await known.judge.judge(lease("locker.1", 6))).next, "take", "one that no job holds may be taken");
  assert.equal((await known.judge.judge(lease("locker2.1", 5))).next, "take", "as may another locker's");
});

test("those who look at the same session at the same time share one look, and the next one looks anew", async () => {
  const { judge, store } = begun();
  await Promise.all([judge.judge(lease()), judge.judge(lease()), judge.judge(lease("third.1"))]);
  assert.deepEqual(store.read, ["other.1", "third.1"]);
  await judge.judge(lease());
  assert.deepEqual(store.read, ["other.1", "third.1", "other.1"]);
});

/** Takes a key from each of these. One that is absent may, after a loss, only not have entered the new era yet. */
async function takeFromAll({ judge, store }: ReturnType<typeof begun>): Promise<void> {
  store.onCondemn = () => ({ status: "condemned", reason: "silent" });
  store.steadyMs = 60_000;
  for (const [sessionId, session] of [
    ["silent.1", { silentMs: 10_000 }],
    ["condemned.1", { state: "condemned" }],
    ["absent.1", { state: "absent" }],
  ] as const) {
    store.session = session;
    await judge.judge(lease(sessionId));
  }
}

test("after a loss the tombstones of all that are known to be condemned are written, by whomever", async () => {
  const made = begun();
  await takeFromAll(made);
  made.enter("era2");
  await made.judge.writeTombstones();
  assert.deepEqual(made.store.tombstones, [["silent.1", "condemned.1"]]);
});

test("tombstones that the store did not hear are written again until it has", async () => {
  const made = begun();
  const { clock, store, judge } = made;
  await takeFromAll(made);
  made.enter("era2");
  let tries = 0;
  store.onTombstones = () => (++tries < 4 ? unreachable() : undefined);
  store.isUp = false; // after a restart the worker is often back first
  void judge.writeTombstones();
  await clock.advance(1_000);
  assert.equal(tries, 1, "and nobody polls a store that is away");
  store.up();
  await clock.advance(1_000);
  assert.deepEqual(store.tombstones, [["silent.1", "condemned.1"]]);
  await clock.advance(1_000);
  assert.equal(tries, 4);
});

test("tombstones are no longer written once that era is over or the locker has ended", async () => {
  for (const end of ["era", "locker"] as const) {
    const made = begun();
    const { clock, store, judge } = made;
    await takeFromAll(made);
    made.enter("era2");
    let tries = 0;
    store.onTombstones = () => {
      tries += 1;
      unreachable();
    };
    const written = judge.writeTombstones();
    await clock.advance(250);
    assert.ok(tries > 1, end);
    if (end === "era") made.enter("era3");
    else made.ended.abort();
    const before = tries;
    await clock.advance(1_000);
    await written;
    assert.equal(tries, before, end);
    assert.equal(clock.pending, 0);
  }
});

test("what was condemned an hour ago is forgotten", async () => {
  const made = begun();
  await takeFromAll(made);
  made.clock.pass(3_600_001);
  made.enter("era2");
  await made.judge.writeTombstones();
  assert.deepEqual(made.store.tombstones, []);
});
