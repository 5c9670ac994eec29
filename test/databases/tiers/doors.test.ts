// The two doors of two tiers, without servers: a test says what the register and the stores answer.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { BeginRequest, PingAnswer } from "../../../src/databases/database.js";
import type { Epoch, Tier } from "../../../src/databases/tiers/epoch.js";
import type { Register, Sight } from "../../../src/databases/tiers/register.js";
import { TieredLeases } from "../../../src/databases/tiers/tiered-leases.js";
import { TieredLiveness, type Served } from "../../../src/databases/tiers/tiered-liveness.js";
import { FakeClock } from "../../support/fake-clock.js";
import { ScriptedLeases } from "../../support/scripted-leases.js";
import { ScriptedConnection } from "../../support/scripted-liveness.js";

const limits = { sessionTtlMs: 10_000, disconnectGraceMs: 2_000, pingIntervalMs: 500, driftMs: 100 };
const facts = { host: "here", pid: 1, labels: {}, proofs: { bootId: "", pidNamespace: "", timeNamespace: "" } };
const request = { ...limits, ...facts, sessionId: "a.1", recoveryMs: 700 } as unknown as BeginRequest;

/** One locker's worker, as it sees a register and stores. */
class Desk {
  readonly clock = new FakeClock();
  readonly served: Served = { seesRedis: undefined };
  readonly stores: ScriptedConnection[] = [];
  readonly sights: Sight[] = [];
  tier: Tier = {
    ...{ epoch: 5, isAway: false, previous: 4, servedUntilMs: 0 },
    fence: 0,
    recoveryMs: 700,
    nowMs: 1_000,
  };
  isRegisterAway = false;

  readonly register = {
    whenUp: () => Promise.resolve(),
    see: (sight: Sight): Promise<Tier> => {
      if (this.isRegisterAway) return Promise.reject(new Error("away"));
      this.sights.push(sight);
      return Promise.resolve(this.tier);
    },
    close: () => undefined,
  } as unknown as Register;

  async open(): Promise<{ liveness: TieredLiveness; store: ScriptedConnection }> {
    const open = (_tier: unknown, events: ConstructorParameters<typeof ScriptedConnection>[0]) => {
      this.stores.push(new ScriptedConnection(events, true, true));
      return this.stores.at(-1)!;
    };
    const { clock, served, register } = this;
    const events = { onPush: () => undefined, onClose: () => undefined };
    const liveness = new TieredLiveness({ clock, events, served, register, open, probe: (inner) => open(0, inner) });
    await liveness.ready;
    return { liveness, store: this.stores.at(-1)! };
  }

  answer(status: PingAnswer["status"], era: string): PingAnswer {
    return { status, era, recovering: false, nowMs: 1_000, lostCounter: 0, recoveryMs: 700, openInMs: 0, eraNumber: 1 };
  }

  /** A session that has begun in epoch 5, and a connection of its that was opened in the epoch told then. */
  async enter(tier: Partial<Tier>): Promise<{ liveness: TieredLiveness; store: ScriptedConnection }> {
    const { liveness, store } = await this.open();
    await this.begin(liveness, store);
    this.tier = { ...this.tier, ...tier };
    liveness.close();
    return this.open();
  }

  async begin(liveness: TieredLiveness, store: ScriptedConnection): Promise<void> {
    const begun = liveness.begin({ ...request, mode: "new", era: "" });
    store.asked("begin").answer(this.answer("alive", "5r.one"));
    assert.equal((await begun).status, "alive");
  }

  async ping(
    { liveness, store }: { liveness: TieredLiveness; store: ScriptedConnection },
    sent: { era: string },
    answer: PingAnswer,
  ): Promise<PingAnswer["status"]> {
    return (await this.pingAll({ liveness, store }, sent, answer)).status;
  }

  async pingAll(
    { liveness, store }: { liveness: TieredLiveness; store: ScriptedConnection },
    sent: { era: string },
    answer: PingAnswer,
  ): Promise<PingAnswer> {
    const pinged = liveness.ping({ sessionId: "a.1", recoveryMs: 700, clockStepped: false, ...sent });
    store.asked("ping").answer(answer);
    return pinged;
  }
}

const over = { name: "StoreError", message: /the other one is in use now/ };

test("an answer that comes when the register says another epoch is none, and ends the connection", async () => {
  const desk = new Desk();
  const opened = await desk.open();
  await desk.begin(opened.liveness, opened.store);
  desk.tier = { ...desk.tier, epoch: 6, isAway: true, previous: 5 };
  await assert.rejects(desk.ping(opened, { era: "5r.one" }, desk.answer("alive", "5r.one")), over);
  assert.equal(opened.store.isClosed, true);
});

test("an answer out of an era of another epoch is none", async () => {
  const desk = new Desk();
  const opened = await desk.open();
  await assert.rejects(desk.ping(opened, { era: "5r.one" }, desk.answer("alive", "6r.two")), over);
  const next = await desk.open();
  const unnamed = desk.answer("alive", "an era of one store alone");
  await assert.rejects(desk.ping(next, { era: "5r.one" }, unnamed), over);
});

test("what a store answers while the register is away is believed by nobody", async () => {
  const desk = new Desk();
  const opened = await desk.open();
  await desk.begin(opened.liveness, opened.store);
  desk.isRegisterAway = true;
  const pinged = desk.ping(opened, { era: "5r.one" }, desk.answer("alive", "5r.one"));
  await assert.rejects(pinged, { name: "StoreError", code: "unreachable", message: /away/ });
});

test("a session enters the next epoch that was served in the one before until a moment before its end", async () => {
  const desk = new Desk();
  const opened = await desk.enter({ epoch: 6, previous: 5, servedUntilMs: 2_000 });
  const told = await desk.pingAll(opened, { era: "5r.one" }, desk.answer("reenter", "6r.two"));
  assert.deepEqual([told.status, told.isVouched], ["reenter", true]);
});

test("in a later era of its own epoch the store's loss of data says what it may, and nobody vouches", async () => {
  const desk = new Desk();
  const opened = await desk.open();
  await desk.begin(opened.liveness, opened.store);
  const told = await desk.pingAll(opened, { era: "5r.one" }, desk.answer("reenter", "5r.two"));
  assert.deepEqual([told.status, told.isVouched], ["reenter", undefined]);
});

test("a session enters from an epoch that the register has forgotten", async () => {
  const desk = new Desk();
  const opened = await desk.enter({ epoch: 7, previous: 4, servedUntilMs: 1_000 });
  assert.equal(await desk.ping(opened, { era: "5r.one" }, desk.answer("reenter", "7r.three")), "reenter");
});

test("who was served no longer while others were does not enter: these may have condemned it", async () => {
  const desk = new Desk();
  const opened = await desk.enter({ epoch: 6, previous: 5, servedUntilMs: 1_000 + limits.disconnectGraceMs });
  assert.equal(await desk.ping(opened, { era: "5r.one" }, desk.answer("reenter", "6r.two")), "condemned");
});

test("who missed an epoch does not enter the one after it", async () => {
  const desk = new Desk();
  const opened = await desk.enter({ epoch: 7, previous: 6, servedUntilMs: 1_000 });
  assert.equal(await desk.ping(opened, { era: "5r.one" }, desk.answer("reenter", "7r.three")), "condemned");
});

test("who was never served in the epoch before does not enter, whatever era it names", async () => {
  const desk = new Desk();
  const opened = await desk.open();
  assert.equal(await desk.ping(opened, { era: "4r.none" }, desk.answer("reenter", "5r.one")), "condemned");
});

test("each store is told the longest window that anybody asked the register for", async () => {
  const desk = new Desk();
  desk.tier = { ...desk.tier, recoveryMs: 9_000 };
  const { liveness, store } = await desk.open();
  const begun = liveness.begin({ ...request, mode: "new", era: "" });
  assert.equal(store.asked("begin").request.recoveryMs, 9_000);
  store.asked("begin").answer(desk.answer("alive", "5r.one"));
  await begun;
});

test("what was asked in an epoch that is over is asked of no store, and the newest epoch's alone is open", async () => {
  const stores: { tier: Epoch; leases: ScriptedLeases; isClosed: boolean }[] = [];
  const open = (tier: Epoch) => {
    const leases = new ScriptedLeases();
    const store = { tier, leases, isClosed: false };
    stores.push(store);
    leases.close = () => void (store.isClosed = true);
    return leases;
  };
  const never = { whenUp: () => new Promise<void>(() => undefined), close: () => undefined } as unknown as Register;
  const doors = new TieredLeases(never, { clock: new FakeClock() }, open);
  const ask = (era: string) =>
    doors.acquire({ lockerId: "a", sessionId: "a.1", era, recoveryMs: 1 }, [
      { key: "key", leaseNumber: 1, lockTtlMs: 1_000, trace: "" },
    ]);
  await ask("5r.one");
  await ask("6p.two");
  await assert.rejects(ask("5r.one"), { name: "StoreError", message: /the epoch in which this was asked is over/ });
  const seen = stores.map(({ tier, leases, isClosed }) => [tier.epoch, leases.commands.length, isClosed]);
  assert.deepEqual(seen, [
    [5, 1, true],
    [6, 1, false],
  ]);
  doors.close();
});
