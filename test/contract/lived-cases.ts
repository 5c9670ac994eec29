import assert from "node:assert/strict";
import type { Lived, PingAnswer } from "../../src/databases/database.js";
import { SAFE_MS, type Actor, type ContractCases, type ContractStage } from "./contract-stage.js";

const TRUST_MS = 2 * SAFE_MS;

/** What a session that was answered so knows of its era when that is over. */
function livedBy({ era, eraNumber, nowMs }: PingAnswer, more: Partial<Lived> = {}): Lived {
  return { era, eraNumber, servedMs: nowMs, trustMs: TRUST_MS, isSilent: false, ...more };
}

async function enter(actor: Actor, mode: "trusted" | "provisional", lived: Lived): Promise<PingAnswer> {
  const { era } = await actor.ping();
  return actor.begin({ mode, era, lived });
}

/** Two who were served by the store; then it was away, or forgot everything. */
async function twoServed(stage: ContractStage, lose: "loseMemory" | "interrupt") {
  const [actor, other] = [await stage.begun(), await stage.begun()];
  const [served, otherServed] = [await actor.ping(), await other.ping()];
  await stage.store[lose]();
  return { actor, other, served, otherServed };
}

/** What becomes of one who entered provisionally: its first answer after the window has closed. */
async function judge(stage: ContractStage, actor: Actor): Promise<PingAnswer["status"]> {
  const closing = await stage.actor();
  await closing.begin();
  await stage.closeWindow(closing);
  return (await actor.ping()).status;
}

export const livedCases: ContractCases = {
  "every answer tells the number of its era, and a later one's is larger": async (stage) => {
    const actor = await stage.begun();
    const { eraNumber } = await actor.ping();
    assert.ok(eraNumber > 0);
    await stage.store.interrupt();
    const told = await actor.ping();
    assert.equal(told.eraNumber, eraNumber + 1);
    assert.equal((await actor.begin({ mode: "trusted", era: told.era })).eraNumber, eraNumber + 1);
  },

  "an era's number is above that of every era which those lived in who enter, whatever the store knows": async (
    stage,
  ) => {
    const { actor, other, served, otherServed } = await twoServed(stage, "loseMemory");
    await enter(actor, "trusted", livedBy(served, { eraNumber: 7 }));
    assert.equal((await actor.ping()).eraNumber, 8);
    await enter(other, "trusted", livedBy(otherServed, { eraNumber: 5 }));
    assert.equal((await other.ping()).eraNumber, 8);
    await stage.closeWindow(other);
    await stage.store.interrupt();
    const { era, eraNumber } = await actor.ping();
    assert.equal(eraNumber, 9);
    assert.equal((await actor.begin({ mode: "trusted", era })).status, "alive", "it has missed none");
  },

  "one that got no answers, and whose last one the data has, comes back with what it held": async (stage) => {
    const actor = await stage.begun();
    const fencingToken = await actor.take("key");
    const served = await actor.ping();
    await stage.store.interrupt();
    const entered = await enter(actor, "provisional", livedBy(served, { isSilent: true }));
    assert.equal(entered.status, "recovering");
    const lease = { key: "key", leaseNumber: 1, fencingToken, lockTtlMs: 60_000, acquiredAtMs: 1, trace: "" };
    const again = await actor.leases.reassert(actor.identity, [
      { ...lease, lastToken: fencingToken, mode: "exclusive" },
    ]);
    assert.deepEqual(again, { status: "ok", answers: [{ status: "held" }] });
    assert.equal(await judge(stage, actor), "alive");
    assert.equal((await actor.ping()).status, "alive", "then and later");
    assert.equal((await actor.readLease("key"))?.era, actor.era);
  },

  "one that got no answers does not come back to a store that knows nothing of the time before": async (stage) => {
    const { actor, served } = await twoServed(stage, "loseMemory");
    await enter(actor, "provisional", livedBy(served, { isSilent: true }));
    assert.equal(await judge(stage, actor), "condemned");
    assert.equal((await actor.ping()).status, "condemned");
    assert.equal((await actor.acquire("key")).status, "condemned");
  },

  "nor to one whose data is from before its last answer": async (stage) => {
    const { actor, served } = await twoServed(stage, "interrupt");
    const servedMs = served.nowMs + TRUST_MS + SAFE_MS;
    await enter(actor, "provisional", livedBy(served, { isSilent: true, servedMs }));
    assert.equal(await judge(stage, actor), "condemned");
  },

  "one whose connection broke comes back to a store that knows nothing": async (stage) => {
    const { actor, other, served, otherServed } = await twoServed(stage, "loseMemory");
    await enter(actor, "provisional", livedBy(served));
    await enter(other, "provisional", livedBy(otherServed, { servedMs: otherServed.nowMs + SAFE_MS }));
    assert.equal(await judge(stage, actor), "alive");
    assert.equal((await other.ping()).status, "alive");
  },

  "who is outlived by more than its trust, as another knows who enters, may have been condemned": async (stage) => {
    for (const mode of ["trusted", "provisional"] as const) {
      const { actor, other, served, otherServed } = await twoServed(stage, "loseMemory");
      await enter(actor, "provisional", livedBy(served));
      await enter(other, mode, livedBy(otherServed, { servedMs: served.nowMs + TRUST_MS + SAFE_MS }));
      assert.equal(await judge(stage, actor), "condemned");
      assert.equal((await other.ping()).status, "alive");
    }
  },

  "who is outlived by more than its trust, as the data knows, may have been condemned": async (stage) => {
    for (const isSilent of [false, true]) {
      const { actor, served } = await twoServed(stage, "interrupt");
      const servedMs = served.nowMs - TRUST_MS - SAFE_MS;
      await enter(actor, "provisional", livedBy(served, { isSilent, servedMs }));
      assert.equal(await judge(stage, actor), "condemned");
    }
  },

  "who missed an era that another lived in does not come back, though the store knows nothing of it": async (stage) => {
    const { actor, other, served, otherServed } = await twoServed(stage, "loseMemory");
    await enter(other, "trusted", livedBy(otherServed, { eraNumber: otherServed.eraNumber + 1, servedMs: 1 }));
    await enter(actor, "provisional", livedBy(served));
    assert.equal(await judge(stage, actor), "condemned");
  },

  "a begin that is repeated after the window has closed is judged like a ping": async (stage) => {
    const { actor, served } = await twoServed(stage, "loseMemory");
    const lived = livedBy(served, { isSilent: true });
    const { era } = await enter(actor, "provisional", lived);
    const closing = await stage.actor();
    await closing.begin();
    await stage.closeWindow(closing);
    assert.equal((await actor.begin({ mode: "provisional", era, lived })).status, "condemned");
  },

  "a first begin that comes late does not spare a session its judgement": async (stage) => {
    const { actor, served } = await twoServed(stage, "loseMemory");
    const { era } = await actor.begin({ mode: "new" });
    const lived = livedBy(served, { isSilent: true });
    assert.equal((await actor.begin({ mode: "provisional", era, lived })).status, "recovering");
    assert.equal((await actor.ping()).status, "recovering");
    assert.equal(await judge(stage, actor), "condemned");
  },

  "a begin that is repeated in its era has missed none, though the era's number was raised since": async (stage) => {
    const { actor, other, served, otherServed } = await twoServed(stage, "loseMemory");
    const lived = livedBy(served);
    const { era } = await enter(actor, "trusted", lived);
    await enter(other, "trusted", livedBy(otherServed, { eraNumber: 7 }));
    await stage.closeWindow(other);
    assert.equal((await actor.begin({ mode: "trusted", era, lived })).status, "alive");
  },
};
