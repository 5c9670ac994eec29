import assert from "node:assert/strict";
import { systemClock } from "../../src/clock.js";
import { limits, RECOVERY_MS, SAFE_MS, type Actor, type ContractCases, type ContractStage } from "./contract-stage.js";
import { renew } from "./lease-cases.js";

/** A session that lived before the loss, in a namespace whose window is open in another era. */
async function afterLoss(stage: ContractStage, lose: "loseMemory" | "interrupt") {
  const actor = await stage.begun();
  const token = await actor.take("key");
  await stage.store[lose]();
  const answer = await actor.ping();
  return { actor, token, answer, oldEra: actor.era };
}

/** Enters the era that the last ping told of. */
async function reenter(actor: Actor, mode: "trusted" | "provisional" = "trusted") {
  const { era } = await actor.ping();
  return actor.begin({ mode, era });
}

export const eraCases: ContractCases = {
  "a store that knows nothing any more is recovering: a session may begin, and nothing is granted": async (stage) => {
    await stage.store.loseMemory();
    const actor = await stage.actor();
    const { status, recovering, openInMs } = await actor.begin();
    assert.deepEqual([status, recovering], ["alive", true]);
    assert.ok(openInMs > RECOVERY_MS - SAFE_MS);
    assert.deepEqual(await actor.acquire("key"), { status: "recovering" });
    assert.equal(await actor.readLease("key"), undefined);
  },

  "the window closes with the first ping of a session that was steady for all of it, not before": async (stage) => {
    await stage.store.loseMemory();
    const actor = await stage.actor();
    const { era } = await actor.begin();
    await stage.store.age(actor.sessionId, { steadyMs: RECOVERY_MS - SAFE_MS });
    const before = await actor.ping();
    assert.deepEqual([before.status, before.recovering], ["alive", true]);
    assert.ok(before.openInMs > 0 && before.openInMs <= SAFE_MS);
    await stage.store.age(actor.sessionId, { steadyMs: SAFE_MS });
    const after = await actor.ping();
    assert.deepEqual([after.status, after.recovering, after.openInMs, after.era], ["alive", false, 0, era]);
    assert.equal((await actor.acquire("key")).status, "granted");
  },

  "a ping by which the store's clock may have stepped does not close the window; the next one tells": async (stage) => {
    await stage.store.loseMemory();
    const shift = { ms: 0 };
    const actor = await stage.actor({ clock: { ...systemClock, monoMs: () => systemClock.monoMs() + shift.ms } });
    await actor.begin();
    await stage.store.age(actor.sessionId, { steadyMs: RECOVERY_MS });
    shift.ms = -limits.driftMs - 5_000;
    const { recovering, openInMs } = await actor.ping();
    assert.deepEqual([recovering, openInMs], [true, 0]);
    shift.ms = 0; // that ping was only late
    assert.equal((await actor.ping()).recovering, false);
  },

  "a gap within the window begins the count anew": async (stage) => {
    await stage.store.loseMemory();
    const actor = await stage.actor();
    await actor.begin();
    await stage.store.age(actor.sessionId, { steadyMs: RECOVERY_MS, silentMs: 2 * limits.pingIntervalMs + 1 });
    const answer = await actor.ping();
    assert.equal(answer.recovering, true);
    assert.ok(answer.openInMs > RECOVERY_MS - SAFE_MS);
  },

  "the window is as long as the longest that anybody has asked for": async (stage) => {
    await stage.store.loseMemory();
    const [actor, careful] = [await stage.actor(), await stage.actor()];
    await actor.begin();
    await careful.begin({ recoveryMs: 2 * RECOVERY_MS });
    await stage.store.age(actor.sessionId, { steadyMs: RECOVERY_MS });
    assert.equal((await actor.ping({ recoveryMs: 1 })).recovering, true);
    await stage.store.age(actor.sessionId, { steadyMs: RECOVERY_MS });
    assert.equal((await actor.ping({ recoveryMs: 1 })).recovering, false);
  },

  "a store that lost everything begins an era of its own, and every answer carries it": async (stage) => {
    const { actor, answer, oldEra } = await afterLoss(stage, "loseMemory");
    assert.deepEqual([answer.status, answer.recovering], ["reenter", true]);
    assert.notEqual(answer.era, oldEra);
    assert.equal((await actor.ping()).era, answer.era, "one loss, one era");
    assert.equal((await actor.ping()).status, "reenter", "the word of it is repeated until it is acted on");
  },

  "a store that is back with old data begins an era of its own: a lease from before counts as absent": async (
    stage,
  ) => {
    const { actor, answer, token } = await afterLoss(stage, "interrupt");
    assert.deepEqual([answer.status, answer.recovering], ["reenter", true]);
    const other = await stage.actor();
    assert.equal((await other.begin()).status, "alive");
    const early = await other.acquire("key");
    assert.deepEqual(early, { status: "recovering" }, "nothing is granted before the window closes");
    await stage.closeWindow(other);
    assert.ok((await other.take("key")) > token);
    assert.deepEqual((await actor.readLease("key"))?.era, other.era);
  },

  "the very command that would grant or condemn notices the loss": async (stage) => {
    for (const lose of ["loseMemory", "interrupt"] as const) {
      const [holder, contender] = [await stage.begun(), await stage.begun()];
      const fencingToken = await holder.take(lose);
      await stage.store.age(holder.sessionId, { silentMs: limits.sessionTtlMs });
      await stage.store.age(contender.sessionId, { steadyMs: limits.sessionTtlMs });
      await stage.store[lose]();
      assert.deepEqual(await contender.condemn(holder.sessionId, { proof: true }), { status: "era" });
      const replace = { sessionId: holder.sessionId, fencingToken };
      assert.notEqual((await contender.acquire(lose, { leaseNumber: 2, replace: [replace] })).status, "granted");
      assert.notEqual((await contender.acquire("free", { leaseNumber: 3 })).status, "granted");
      await reenter(contender);
      await stage.closeWindow(contender);
    }
  },

  "nobody is condemned while the window is open, not even by who is of its era": async (stage) => {
    const [victim, contender] = [await stage.begun(), await stage.begun()];
    await stage.store.loseMemory();
    for (const actor of [victim, contender]) await reenter(actor);
    await stage.store.age(victim.sessionId, { silentMs: limits.sessionTtlMs });
    await stage.store.age(contender.sessionId, { steadyMs: limits.sessionTtlMs });
    assert.deepEqual(await contender.condemn(victim.sessionId, { proof: true }), { status: "era" });
    assert.equal((await victim.ping()).status, "alive");
  },

  "commands of the old era are refused, in the window and after it": async (stage) => {
    const { actor, token, answer, oldEra } = await afterLoss(stage, "interrupt");
    assert.equal((await actor.acquire("other", { leaseNumber: 2 })).status, "era");
    assert.equal((await renew(actor, "key", token)).status, "era");
    assert.equal((await actor.begin({ mode: "trusted", era: answer.era })).status, "alive");
    await stage.closeWindow(actor);
    actor.era = oldEra;
    assert.equal((await actor.acquire("other", { leaseNumber: 2 })).status, "era");
    assert.equal((await renew(actor, "key", token)).status, "era");
  },

  "the living re-enter while the window is open, under their own id and as often as they ask": async (stage) => {
    const { actor, answer } = await afterLoss(stage, "loseMemory");
    for (let i = 0; i < 2; i++) {
      const entered = await actor.begin({ mode: "trusted", era: answer.era });
      assert.deepEqual([entered.status, entered.recovering, entered.era], ["alive", true, answer.era]);
    }
    assert.equal((await actor.ping()).status, "alive");
  },

  "nobody re-enters once the window has closed, then or later": async (stage) => {
    for (const lose of ["loseMemory", "interrupt"] as const) {
      const { actor, answer } = await afterLoss(stage, lose);
      const other = await stage.actor();
      await other.begin();
      await stage.closeWindow(other);
      for (const mode of ["trusted", "provisional"] as const) {
        assert.equal((await actor.begin({ mode, era: answer.era })).status, "condemned");
      }
      assert.equal((await actor.ping()).status, "condemned");
      assert.equal((await actor.acquire("key")).status, "condemned");
    }
  },

  "a session of a past era that pings after the window is condemned for good": async (stage) => {
    const { actor, answer } = await afterLoss(stage, "interrupt");
    const other = await stage.actor();
    await other.begin();
    await stage.closeWindow(other);
    assert.equal((await actor.ping()).status, "condemned");
    await stage.store.interrupt();
    const { era } = await other.ping();
    assert.notEqual(era, answer.era);
    assert.equal((await actor.begin({ mode: "trusted", era })).status, "condemned", "also in the next window");
  },

  "a session of a past era can be condemned by who has none of it, its era being over": async (stage) => {
    const { actor } = await afterLoss(stage, "interrupt");
    const other = await stage.actor();
    await other.begin();
    await stage.closeWindow(other);
    assert.deepEqual(await other.condemn(actor.sessionId), { status: "condemned", reason: "era" });
  },

  "who wants to enter an era that is over already is told the newest": async (stage) => {
    const { actor, answer } = await afterLoss(stage, "interrupt");
    await stage.store.interrupt();
    const refused = await actor.begin({ mode: "trusted", era: answer.era });
    assert.equal(refused.status, "reenter");
    assert.notEqual(refused.era, answer.era);
    assert.equal((await actor.begin({ mode: "trusted", era: refused.era })).status, "alive");
  },

  "a session that re-entered provisionally is only recovering until the window closes": async (stage) => {
    const { actor } = await afterLoss(stage, "loseMemory");
    assert.equal((await reenter(actor, "provisional")).status, "recovering");
    assert.equal((await actor.begin({ mode: "provisional", era: actor.era })).status, "recovering");
    assert.equal((await actor.ping()).status, "recovering");
    const other = await stage.actor();
    await other.begin();
    await stage.closeWindow(other);
    assert.equal((await actor.ping()).status, "alive");
  },

  "who missed an era in which keys were granted does not come back in the next one": async (stage) => {
    const { actor } = await afterLoss(stage, "interrupt");
    const other = await stage.actor();
    await other.begin();
    await stage.closeWindow(other);
    await other.take("key");
    await stage.store.interrupt();
    const { era } = await other.ping();
    assert.equal((await actor.begin({ mode: "provisional", era })).status, "condemned", "nor without a ping before");
    assert.equal((await actor.ping()).status, "condemned");
    assert.equal((await other.begin({ mode: "trusted", era })).status, "alive");
  },

  "an era whose window never closed was missed by nobody": async (stage) => {
    const { actor } = await afterLoss(stage, "interrupt");
    const other = await stage.actor();
    await other.begin();
    await stage.store.interrupt();
    for (const each of [actor, other]) assert.equal((await reenter(each)).status, "alive");
  },

  "a sender that saw the store's clock step forward begins an era, once for all who saw it": async (stage) => {
    const [actor, other] = [await stage.begun(), await stage.begun()];
    const first = await actor.ping({ clockStepped: true });
    assert.deepEqual([first.status, first.recovering], ["reenter", true]);
    assert.notEqual(first.era, actor.era);
    const second = await other.ping({ clockStepped: true });
    assert.deepEqual([second.status, second.era], ["reenter", first.era]);
  },

  "a step within the window begins another one: what was written again may have run out": async (stage) => {
    const { actor, answer } = await afterLoss(stage, "loseMemory");
    await actor.begin({ mode: "trusted", era: answer.era });
    const stepped = await actor.ping({ clockStepped: true });
    assert.deepEqual([stepped.status, stepped.recovering], ["reenter", true]);
    assert.notEqual(stepped.era, answer.era);
    assert.equal((await actor.begin({ mode: "trusted", era: stepped.era })).status, "alive");
  },

  "tokens granted after everything was lost are larger than those from before": async (stage) => {
    const { token, answer } = await afterLoss(stage, "loseMemory");
    const other = await stage.actor();
    await other.begin();
    await stage.closeWindow(other);
    assert.notEqual(answer.era, "");
    assert.ok((await other.take("key")) > token);
  },
};
