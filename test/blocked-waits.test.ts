import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockedWaits } from "../src/blocked-waits.js";
import { systemClock } from "../src/clock.js";
import type { BlockedRequest, Holder, LeaseRecord, WaitingTask } from "../src/databases/database.js";
import { DeadlockError, StoreError } from "../src/errors.js";
import type { HeldKey } from "../src/held-context.js";
import { joinSignals } from "../src/signals.js";
import { waitUntil, withDeadline } from "./support/wait.js";

const DEADLINE = { deadlineMs: 2_000, what: "the marks" };

/** Some lockers on one store, of which a test says who holds what. */
class Stage {
  readonly holders = new Map<string, LeaseRecord[]>();
  readonly marks = new Map<string, { key: string; waiter: string; ticket: number }>();
  readonly lockers = new Map<string, BlockedWaits>();
  readonly told: string[] = [];
  /** While true no answer comes. */
  isDown = false;
  isQueued = true;
  era = "era1";
  looks = 0;
  #ticket = 1_000;
  #number = 0;

  locker(lockerId: string): BlockedWaits {
    const deps = { clock: systemClock, lockerId, store: this, describe: (r: LeaseRecord) => this.#describe(r) };
    const made = this.lockers.get(lockerId) ?? new BlockedWaits({ ...deps, own: () => [], era: () => this.era });
    this.lockers.set(lockerId, made);
    return made;
  }

  hold(lockerId: string, key: string, mode: HeldKey["mode"] = "exclusive"): HeldKey {
    const leaseNumber = ++this.#number;
    const facts = { fencingToken: 1, acquiredAtMs: 1, era: this.era, trace: "", units: 1, isKept: false };
    const record = { ...facts, key, sessionId: `${lockerId}.1`, leaseNumber, mode };
    this.holders.set(key, [...(this.holders.get(key) ?? []), record]);
    return { key, mode, units: 1, leaseNumber, lease: {} as HeldKey["lease"], isOver: () => false };
  }

  /** A task that holds these waits for that key, and never gets it. */
  wait(lockerId: string, holding: readonly HeldKey[], key: string, ticket = ++this.#ticket) {
    const stop = new AbortController();
    const wanted = { key, lockTtlMs: 1, trace: "", waitMs: Infinity, mode: "exclusive", minHoldMs: 0 } as const;
    const outcome = this.locker(lockerId).run({ ...wanted, signals: [stop.signal] }, holding, async (asked) => {
      asked.onQueued?.({ leaseNumber: ++this.#number, ticket });
      return joinSignals(asked.signals).within(new Promise<never>(() => undefined));
    });
    return { outcome: outcome.catch((error: unknown) => error), stop: () => stop.abort(new Error("stopped")) };
  }

  markBlocked({ leaseIds, waits }: BlockedRequest): Promise<void> {
    if (this.isDown) return Promise.reject(new StoreError("unreachable", "no answer"));
    for (const leaseId of leaseIds) {
      if (waits) this.marks.set(leaseId, waits);
      else this.marks.delete(leaseId);
    }
    return Promise.resolve();
  }

  readWaiting(leaseId: string): Promise<WaitingTask | undefined> {
    const mark = this.marks.get(leaseId);
    const holders = (mark && this.holders.get(mark.key)) ?? [];
    return Promise.resolve(mark && { ...mark, isQueued: this.isQueued, holders });
  }

  readHolders(key: string): Promise<LeaseRecord[]> {
    this.looks += 1;
    return Promise.resolve(this.holders.get(key) ?? []);
  }

  tellDeadlock(waiter: string): Promise<void> {
    this.told.push(waiter);
    const [lockerId = "", number] = waiter.split("#");
    this.lockers.get(lockerId)?.onDeadlock(Number(number));
    return Promise.resolve();
  }

  #describe({ key, sessionId }: LeaseRecord): Promise<Holder> {
    return Promise.resolve({ key, sessionId, heldForMs: 1 } as Holder);
  }
}

async function dead(outcome: Promise<unknown>): Promise<DeadlockError> {
  const error = await withDeadline(outcome, 1_000, "the victim's error");
  assert.ok(error instanceof DeadlockError, String(error));
  return error;
}

for (const [where, lockers] of [
  ["of three processes", ["p", "q", "r"]],
  ["inside one process", ["p", "p", "p"]],
  ["of two processes, one with two tasks in it", ["p", "q", "p"]],
] as const) {
  test(`a circle ${where} ends the wait that began last, with its keys and holders`, async () => {
    const stage = new Stage();
    const held = lockers.map((lockerId, i) => stage.hold(lockerId, `k${i}`));
    const waits = lockers.map((lockerId, i) => stage.wait(lockerId, [held[i]!], `k${(i + 1) % 3}`));
    const error = await dead(waits[2]!.outcome);
    assert.equal(error.key, "k0");
    assert.deepEqual(
      error.cycle.map(({ key, holder }) => [key, holder.sessionId]),
      ["k0", "k1", "k2"].map((key, i) => [key, `${lockers[i]}.1`]),
    );
    for (const other of waits.slice(0, 2)) other.stop();
    assert.match(String(await waits[0]!.outcome), /stopped/);
    await waitUntil(() => stage.marks.size, 0, DEADLINE);
  });
}

test("who finds a circle that another closed later tells it, and goes on waiting", async () => {
  const stage = new Stage();
  const [a, b] = [stage.hold("p", "a"), stage.hold("q", "b")];
  const early = stage.wait("q", [b], "a", 9_000);
  await waitUntil(() => stage.marks.size, 1, DEADLINE);
  const late = stage.wait("p", [a], "b", 5);
  assert.equal((await dead(early.outcome)).key, "a");
  assert.equal(stage.told.length, 1);
  late.stop();
  assert.match(String(await late.outcome), /stopped/);
});

test("a circle whose waits the store has forgotten is found again in its new era", async () => {
  const stage = new Stage();
  const [a, b] = [stage.hold("p", "a"), stage.hold("q", "b")];
  const early = stage.wait("p", [a], "b");
  await waitUntil(() => stage.marks.size, 1, DEADLINE);
  stage.marks.clear();
  stage.locker("p").onNewEra();
  await waitUntil(() => stage.marks.get("p#1")?.key, "b", DEADLINE);
  assert.equal((await dead(stage.wait("q", [b], "a").outcome)).key, "a");
  early.stop();
  assert.match(String(await early.outcome), /stopped/);
});

test("a lease of an older era, brought back with an old mark, closes no circle", async () => {
  const stage = new Stage();
  stage.era = "era0";
  stage.hold("q", "b");
  stage.era = "era1";
  stage.marks.set("q#1", { key: "a", waiter: "q#9", ticket: 1 });
  const wait = stage.wait("p", [stage.hold("p", "a")], "b");
  await waitUntil(() => stage.looks >= 2, true, { deadlineMs: 2_000, what: "two looks" });
  assert.deepEqual(stage.told, []);
  stage.holders.get("b")![0]!.era = "era1"; // the same circle, of today: it is found
  stage.locker("p").onNewEra();
  assert.equal((await dead(wait.outcome)).key, "b");
});

test("who was granted what it waits for, and has not said so yet, closes no circle", async () => {
  const stage = new Stage();
  stage.isQueued = false;
  stage.hold("q", "b");
  const holding = stage.hold("p", "a", "shared");
  stage.hold("q", "a", "shared");
  stage.marks.set("q#1", { key: "a", waiter: "q#3", ticket: 1 });
  const wait = stage.wait("p", [holding], "b");
  await waitUntil(() => stage.looks >= 2, true, { deadlineMs: 2_000, what: "two looks" });
  stage.marks.set("q#1", { key: "a", waiter: "q#9", ticket: 1 }); // it waits again: that is a circle
  stage.locker("p").onNewEra();
  assert.equal((await dead(wait.outcome)).key, "b");
});

test("of two circles through one wait both are found", async () => {
  const stage = new Stage();
  const own = stage.hold("p", "own");
  const readers = ["q", "r"].map((lockerId) => stage.hold(lockerId, "read", "shared"));
  const others = ["q", "r"].map((lockerId, i) => stage.wait(lockerId, [readers[i]!], "own", 9_000 + i));
  await waitUntil(() => stage.marks.size, 2, DEADLINE);
  const wait = stage.wait("p", [own], "read", 5);
  for (const { outcome } of others) await dead(outcome);
  wait.stop();
  assert.match(String(await wait.outcome), /stopped/);
});

test("a task that waits for several keys at once is part of every circle they close", async () => {
  const stage = new Stage();
  const [a, b] = [stage.hold("p", "a"), stage.hold("q", "b")];
  stage.hold("r", "c");
  const first = stage.wait("p", [a], "b");
  const second = stage.wait("p", [a], "c");
  await waitUntil(() => stage.marks.get("p#1")?.key, "c", DEADLINE);
  const other = stage.wait("q", [b], "a", 1);
  await dead(first.outcome);
  for (const wait of [second, other]) {
    wait.stop();
    await wait.outcome;
  }
});

test("permits are no edge, and who holds nothing writes nothing", async () => {
  const stage = new Stage();
  const [a, b] = [stage.hold("p", "a", "permits"), stage.hold("q", "b")];
  const waits = [stage.wait("p", [a], "b"), stage.wait("q", [b], "a"), stage.wait("r", [], "b")];
  await waitUntil(() => stage.marks.size, 1, DEADLINE);
  assert.deepEqual([...stage.marks.keys()], ["q#2"]);
  for (const wait of waits) wait.stop();
  for (const { outcome } of waits) assert.match(String(await outcome), /stopped/);
});

test("a mark that outlived its wait makes no circle", async () => {
  const stage = new Stage();
  const [a, b] = [stage.hold("p", "a"), stage.hold("q", "b")];
  stage.isQueued = false; // as for one that waited inside its process, and has its key by now
  stage.marks.set(`q#${b.leaseNumber}`, { key: "a", waiter: "q#9", ticket: 1 });
  const wait = stage.wait("p", [a], "b");
  setImmediate(() => stage.marks.delete(`q#${b.leaseNumber}`));
  await waitUntil(() => stage.marks.size, 1, DEADLINE);
  const late = await Promise.race([
    wait.outcome,
    new Promise((resolve) => systemClock.timer(150, () => resolve("waits"))),
  ]);
  assert.equal(late, "waits");
  wait.stop();
  await wait.outcome;
});

test("a store that is away for a moment hides no circle", async () => {
  const stage = new Stage();
  const [a, b] = [stage.hold("p", "a"), stage.hold("q", "b")];
  stage.isDown = true;
  const waits = [stage.wait("p", [a], "b"), stage.wait("q", [b], "a")];
  setImmediate(() => (stage.isDown = false));
  await dead(waits[1]!.outcome);
  waits[0]!.stop();
  await waits[0]!.outcome;
});
