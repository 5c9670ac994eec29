import assert from "node:assert/strict";
import { waitUntil } from "../support/wait.js";
import { limits, SAFE_MS, type Actor, type ContractCases, type ContractStage } from "./contract-stage.js";

/** How a session looks to a bystander. */
async function look(bystander: Actor, sessionId: string) {
  return (await bystander.leases.readSession(sessionId, bystander.identity)).session;
}

/** Two sessions: one that is looked at and one that looks. */
async function pair(stage: ContractStage) {
  return [await stage.begun({ listens: true }), await stage.begun()] as const;
}

export const sessionCases: ContractCases = {
  "a session that begins is alive, and its record tells peers what they judge it by": async (stage) => {
    const actor = await stage.actor();
    const answer = await actor.begin();
    assert.equal(answer.status, "alive");
    assert.notEqual(answer.era, "");
    assert.equal(answer.lostCounter, 0);
    const { silentMs, connectionGone, ...record } = await look(actor, actor.sessionId);
    assert.ok(silentMs >= 0 && silentMs < SAFE_MS);
    assert.equal(connectionGone, undefined, "it never listened");
    assert.deepEqual(record, {
      ...{ sessionId: actor.sessionId, state: "alive", host: "here", pid: 42, labels: { release: "7" } },
      ...{ sessionTtlMs: limits.sessionTtlMs, disconnectGraceMs: limits.disconnectGraceMs },
      proofs: { bootId: "boot", pidNamespace: "pid", timeNamespace: "time", startTime: "7" },
    });
  },

  "a ping ends the silence, and is answered with the store's clock": async (stage) => {
    const [actor, bystander] = await pair(stage);
    await stage.store.age(actor.sessionId, { silentMs: SAFE_MS });
    const before = await bystander.leases.readSession(actor.sessionId, bystander.identity);
    assert.ok(before.session.silentMs >= SAFE_MS);
    const answer = await actor.ping();
    assert.equal(answer.status, "alive");
    assert.ok(answer.nowMs >= before.nowMs);
    assert.ok((await look(bystander, actor.sessionId)).silentMs < SAFE_MS);
  },

  "a ping never creates a record: an absent session is a condemned one": async (stage) => {
    const [, bystander] = await pair(stage);
    const actor = await stage.actor();
    actor.era = bystander.era;
    assert.equal((await actor.ping()).status, "condemned");
    assert.equal((await look(bystander, actor.sessionId)).state, "absent");
    assert.equal((await actor.ping()).status, "condemned");
  },

  "a record that is absent tells nothing but that": async (stage) => {
    const [, bystander] = await pair(stage);
    const { state, silentMs, connectionGone, host, pid } = await look(bystander, "nobody.1");
    assert.deepEqual([state, silentMs, connectionGone, host, pid], ["absent", 0, undefined, "", 0]);
  },

  "to begin again is no error and no second session, and counts as a gap": async (stage) => {
    const actor = await stage.begun();
    await stage.store.age(actor.sessionId, { steadyMs: SAFE_MS });
    assert.equal((await actor.begin()).status, "alive");
    const { session, steadyMs } = await actor.leases.readSession(actor.sessionId, actor.identity);
    assert.equal(session.state, "alive");
    assert.ok(steadyMs < SAFE_MS);
  },

  "goodbye leaves nothing, a second one is no error, and a late ping brings nothing back": async (stage) => {
    const [actor, bystander] = await pair(stage);
    await actor.liveness.goodbye(actor.sessionId);
    await actor.liveness.goodbye(actor.sessionId);
    assert.equal((await look(bystander, actor.sessionId)).state, "absent");
    assert.equal((await actor.ping()).status, "condemned");
    assert.equal((await look(bystander, actor.sessionId)).state, "absent");
  },

  "a condemned session never lives again, whatever it asks for": async (stage) => {
    const [actor, bystander] = await pair(stage);
    await stage.store.age(actor.sessionId, { silentMs: limits.sessionTtlMs });
    await stage.store.age(bystander.sessionId, { steadyMs: limits.sessionTtlMs });
    assert.deepEqual(await bystander.condemn(actor.sessionId), { status: "condemned", reason: "silent" });
    for (const ask of [
      () => actor.ping(),
      () => actor.begin(),
      () => actor.begin({ mode: "trusted", era: actor.era }),
      () => actor.begin({ mode: "provisional", era: actor.era }),
      () => actor.ping(),
    ]) {
      assert.equal((await ask()).status, "condemned");
      assert.equal((await look(bystander, actor.sessionId)).state, "condemned");
    }
    assert.equal((await actor.acquire("key")).status, "condemned");
  },

  "whether a session's connection is there is told while it listens, and soon after it is gone": async (stage) => {
    const [actor, bystander] = await pair(stage);
    const gone = async () => (await look(bystander, actor.sessionId)).connectionGone;
    if (!stage.store.seesConnections) return assert.equal(await gone(), undefined);
    assert.equal(await gone(), false);
    actor.liveness.close();
    await waitUntil(gone, true, { deadlineMs: 10_000, what: "the store's word on the connection" });
    const second = await stage.actor({ lockerId: actor.lockerId, listens: true });
    assert.equal(await gone(), false, "the next connection of the same session counts");
    assert.equal(second.sessionId, actor.sessionId);
  },

  "a session that is condemned is pushed, as a hint to ask": async (stage) => {
    const [actor, bystander] = await pair(stage);
    await stage.store.age(actor.sessionId, { silentMs: limits.sessionTtlMs });
    await stage.store.age(bystander.sessionId, { steadyMs: limits.sessionTtlMs });
    await bystander.condemn(actor.sessionId);
    await waitUntil(() => actor.pushes, 1, { deadlineMs: 10_000, what: "pushes" });
  },

  "the longest recovery window that anybody has asked for stays that of the namespace": async (stage) => {
    const [actor] = await pair(stage);
    const longer = (await actor.ping()).recoveryMs + 1_000;
    assert.equal((await actor.ping({ recoveryMs: longer })).recoveryMs, longer);
    assert.equal((await actor.ping({ recoveryMs: 1 })).recoveryMs, longer);
  },

  "who looks at a session is told what it has to wait on top of that session's limits": async (stage) => {
    const victim = await stage.begun();
    for (const [more, expected] of [
      [2 * SAFE_MS, 2 * SAFE_MS],
      [0, 0],
      [-1_000, 0],
    ] as const) {
      const { leases, identity } = await stage.begun({}, { driftMs: limits.driftMs + more });
      assert.equal((await leases.readSession(victim.sessionId, identity)).overlookedMs, expected);
      assert.equal((await leases.readSession("nobody.1", identity)).overlookedMs, 0);
    }
  },
};
