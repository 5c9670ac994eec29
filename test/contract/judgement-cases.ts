import assert from "node:assert/strict";
import { systemClock } from "../../src/clock.js";
import type { CondemnRequest } from "../../src/databases/database.js";
import { limits, SAFE_MS, type ActorOptions, type ContractCases, type ContractStage } from "./contract-stage.js";

const { sessionTtlMs, disconnectGraceMs, pingIntervalMs } = limits;
const alive = { status: "alive" };
const condemned = (reason: string) => ({ status: "condemned", reason });

type Judged = {
  silentMs?: number;
  steadyMs?: number;
  gone?: boolean;
  contender?: ActorOptions;
  request?: Partial<CondemnRequest>;
};

/** A victim that has been silent, and a contender that has been steady, for so long: what does the store say? */
async function judge(stage: ContractStage, { silentMs = 0, steadyMs = 0, gone, contender, request = {} }: Judged) {
  const victim = await stage.begun({ listens: gone !== undefined });
  const judging = await stage.begun(contender);
  if (gone) await silenced(stage, victim.sessionId, () => victim.liveness.close());
  await stage.store.age(victim.sessionId, { silentMs });
  await stage.store.age(judging.sessionId, { steadyMs });
  const answer = await judging.condemn(victim.sessionId, request);
  return { victim, judging, answer };
}

/** Closes a connection and waits until the store has seen it. */
async function silenced(stage: ContractStage, sessionId: string, close: () => void): Promise<void> {
  const bystander = await stage.begun();
  close();
  for (;;) {
    const { session } = await bystander.leases.readSession(sessionId, bystander.identity);
    if (session.connectionGone !== false) return;
  }
}

export const judgementCases: ContractCases = {
  "a session that pings is not condemned, however long it is watched": async (stage) => {
    const { answer, victim } = await judge(stage, { steadyMs: 10 * sessionTtlMs });
    assert.deepEqual(answer, alive);
    assert.equal((await victim.ping()).status, "alive");
  },

  "a: a session that is silent for its own TTL is condemned by who was steady for as long": async (stage) => {
    const { answer } = await judge(stage, { silentMs: sessionTtlMs, steadyMs: sessionTtlMs });
    assert.deepEqual(answer, condemned("silent"));
  },

  "a: silence that is short of its TTL does not condemn": async (stage) => {
    const { answer } = await judge(stage, { silentMs: sessionTtlMs - SAFE_MS, steadyMs: sessionTtlMs });
    assert.deepEqual(answer, alive);
  },

  "a: who has not been steady for the whole TTL does not condemn": async (stage) => {
    const { answer } = await judge(stage, { silentMs: 10 * sessionTtlMs, steadyMs: sessionTtlMs - SAFE_MS });
    assert.deepEqual(answer, alive);
  },

  "a: a connection that is there does not help who is silent": async (stage) => {
    const { answer } = await judge(stage, { silentMs: sessionTtlMs, steadyMs: sessionTtlMs, gone: false });
    assert.deepEqual(answer, condemned("silent"));
  },

  "the limits are the victim's own: what the contender's options say judges nobody": async (stage) => {
    const request = { contenderSessionTtlMs: 1, brokenAgoMs: 2 };
    const { answer } = await judge(stage, { silentMs: sessionTtlMs - SAFE_MS, steadyMs: sessionTtlMs, request });
    assert.deepEqual(answer, alive);
  },

  "the limits are the victim's own: what else a contender's drift would overlook of a step is added": async (stage) => {
    const [victim, judging] = [await stage.begun(), await stage.begun({}, { driftMs: limits.driftMs + 2 * SAFE_MS })];
    await stage.store.age(judging.sessionId, { steadyMs: 2 * sessionTtlMs });
    await stage.store.age(victim.sessionId, { silentMs: sessionTtlMs + SAFE_MS });
    assert.deepEqual(await judging.condemn(victim.sessionId), alive);
    await stage.store.age(victim.sessionId, { silentMs: SAFE_MS });
    assert.deepEqual(await judging.condemn(victim.sessionId), condemned("silent"));
  },

  "b: a session without a connection is condemned after its grace": async (stage) => {
    const { answer } = await judge(stage, { silentMs: disconnectGraceMs, steadyMs: disconnectGraceMs, gone: true });
    assert.deepEqual(answer, stage.store.seesConnections ? condemned("disconnected") : alive);
  },

  "b: each of its conditions is needed": async (stage) => {
    const enough = { silentMs: disconnectGraceMs, steadyMs: disconnectGraceMs, gone: true };
    for (const lacking of [
      { silentMs: disconnectGraceMs - SAFE_MS },
      { steadyMs: disconnectGraceMs - SAFE_MS },
      { gone: false },
      { request: { brokenAgoMs: 9_999, contenderSessionTtlMs: 10_000 } },
    ]) {
      const { answer } = await judge(stage, { ...enough, ...lacking });
      assert.deepEqual(answer, alive, JSON.stringify(lacking));
    }
  },

  "b: a break of the contender's own connection counts for exactly its session TTL": async (stage) => {
    if (!stage.store.seesConnections) return;
    const request = { brokenAgoMs: 10_000, contenderSessionTtlMs: 10_000 };
    const enough = { silentMs: disconnectGraceMs, steadyMs: disconnectGraceMs, gone: true, request };
    assert.deepEqual((await judge(stage, enough)).answer, condemned("disconnected"));
  },

  "b: a session that never listened is judged by its silence alone": async (stage) => {
    const { answer } = await judge(stage, { silentMs: disconnectGraceMs, steadyMs: sessionTtlMs });
    assert.deepEqual(answer, alive);
  },

  "c: a process that is proven dead is condemned at once, without steadiness, once its connection is gone": async (
    stage,
  ) => {
    const { answer } = await judge(stage, { gone: true, request: { proof: true } });
    assert.deepEqual(answer, condemned("proof"));
  },

  "c: while its connection is there the proof is doubted, where the store can tell": async (stage) => {
    const { answer } = await judge(stage, { gone: false, request: { proof: true } });
    assert.deepEqual(answer, stage.store.seesConnections ? alive : condemned("proof"));
  },

  "c: where the store cannot tell, the proof is enough": async (stage) => {
    const { answer } = await judge(stage, { request: { proof: true } });
    assert.deepEqual(answer, condemned("proof"));
  },

  "d: a session that said goodbye is gone": async (stage) => {
    const [victim, judging] = [await stage.begun(), await stage.begun()];
    await victim.liveness.goodbye(victim.sessionId);
    assert.deepEqual(await judging.condemn(victim.sessionId), condemned("gone"));
  },

  "what is condemned stays so for whoever asks next": async (stage) => {
    const { judging, victim } = await judge(stage, { silentMs: sessionTtlMs, steadyMs: sessionTtlMs });
    assert.deepEqual(await judging.condemn(victim.sessionId), condemned("already"));
    assert.deepEqual(await (await stage.begun()).condemn(victim.sessionId), condemned("already"));
  },

  "a ping that came in since the contender looked wins": async (stage) => {
    const [victim, judging] = [await stage.begun(), await stage.begun()];
    await stage.store.age(victim.sessionId, { silentMs: sessionTtlMs });
    await stage.store.age(judging.sessionId, { steadyMs: sessionTtlMs });
    await victim.ping();
    assert.deepEqual(await judging.condemn(victim.sessionId), alive);
  },

  "a contender with a gap over two intervals is not steady, and begins anew with its next ping": async (stage) => {
    const judging = await stage.begun();
    const steadyMs = async () => (await judging.leases.readSession("nobody.1", judging.identity)).steadyMs;
    await stage.store.age(judging.sessionId, { steadyMs: sessionTtlMs });
    assert.ok((await steadyMs()) >= sessionTtlMs);
    await stage.store.age(judging.sessionId, { silentMs: 2 * pingIntervalMs - SAFE_MS });
    assert.ok((await steadyMs()) >= sessionTtlMs, "so far it is merely between two pings");
    await stage.store.age(judging.sessionId, { silentMs: SAFE_MS + 1 });
    assert.equal(await steadyMs(), 0);
    await judging.ping();
    assert.ok((await steadyMs()) < SAFE_MS);
  },

  "a contender whose last ping lies ahead of the store's clock is not steady, and begins anew with its next": async (
    stage,
  ) => {
    const judging = await stage.begun();
    const steadyMs = async () => (await judging.leases.readSession("nobody.1", judging.identity)).steadyMs;
    await stage.store.age(judging.sessionId, { steadyMs: sessionTtlMs, silentMs: -SAFE_MS });
    assert.equal(await steadyMs(), 0);
    await judging.ping();
    assert.ok((await steadyMs()) < SAFE_MS);
  },

  "a contender that was steady and is late itself condemns nobody": async (stage) => {
    const [victim, judging] = [await stage.begun(), await stage.begun()];
    await stage.store.age(victim.sessionId, { silentMs: sessionTtlMs });
    await stage.store.age(judging.sessionId, { steadyMs: sessionTtlMs, silentMs: 2 * pingIntervalMs + 1 });
    assert.deepEqual(await judging.condemn(victim.sessionId), alive);
  },

  "a contender with which the store's clock disagrees is not steady": async (stage) => {
    const shift = { ms: 0 };
    const clock = { ...systemClock, monoMs: () => systemClock.monoMs() + shift.ms };
    const judging = await stage.begun({ clock });
    await stage.store.age(judging.sessionId, { steadyMs: sessionTtlMs });
    const steadyMs = async () => (await judging.leases.readSession("nobody.1", judging.identity)).steadyMs;
    for (const ms of [limits.driftMs + 5_000, -limits.driftMs - 5_000]) {
      shift.ms = ms;
      assert.equal(await steadyMs(), 0);
    }
    shift.ms = 0;
    assert.ok((await steadyMs()) >= sessionTtlMs);
  },

  "one late ping does not end steadiness, a clock that stays away does": async (stage) => {
    const shift = { ms: 0 };
    const clock = { ...systemClock, monoMs: () => systemClock.monoMs() + shift.ms };
    const judging = await stage.begun({ clock });
    await stage.store.age(judging.sessionId, { steadyMs: sessionTtlMs });
    const steadyAfterPing = async (ms: number) => {
      shift.ms = ms;
      await judging.ping();
      shift.ms = 0;
      return (await judging.leases.readSession("nobody.1", judging.identity)).steadyMs >= sessionTtlMs;
    };
    const late = -limits.driftMs - 5_000; // sent earlier than it was executed
    assert.equal(await steadyAfterPing(late), true);
    assert.equal(await steadyAfterPing(0), true);
    assert.equal(await steadyAfterPing(late), true);
    assert.equal(await steadyAfterPing(late), false, "two in a row are a step");
    await stage.store.age(judging.sessionId, { steadyMs: sessionTtlMs });
    shift.ms = -late;
    await judging.ping();
    const { steadyMs } = await judging.leases.readSession("nobody.1", judging.identity);
    assert.ok(steadyMs < SAFE_MS, "no ping is executed before it was sent: one such is enough");
  },

  "a store whose clock was set back makes no session immortal: its silence counts from the next judgement": async (
    stage,
  ) => {
    const [victim, judging] = [await stage.begun(), await stage.begun()];
    await stage.store.age(victim.sessionId, { silentMs: -3_600_000 });
    await stage.store.age(judging.sessionId, { steadyMs: sessionTtlMs });
    const silentMs = async () =>
      (await judging.leases.readSession(victim.sessionId, judging.identity)).session.silentMs;
    assert.ok((await silentMs()) < -3_000_000);
    assert.deepEqual(await judging.condemn(victim.sessionId), alive);
    assert.ok((await silentMs()) >= 0 && (await silentMs()) < SAFE_MS);
    await stage.store.age(victim.sessionId, { silentMs: sessionTtlMs });
    assert.deepEqual(await judging.condemn(victim.sessionId), condemned("silent"));
  },

  "who has been condemned, or is absent, has not been steady": async (stage) => {
    const { judging, victim } = await judge(stage, { silentMs: sessionTtlMs, steadyMs: sessionTtlMs });
    await stage.store.age(victim.sessionId, { steadyMs: sessionTtlMs, silentMs: -sessionTtlMs });
    assert.equal((await victim.leases.readSession("nobody.1", victim.identity)).steadyMs, 0);
    await judging.liveness.goodbye(judging.sessionId);
    assert.equal((await judging.leases.readSession("nobody.1", judging.identity)).steadyMs, 0);
  },

  "who lives in another era condemns nobody": async (stage) => {
    const [victim, judging] = [await stage.begun(), await stage.begun()];
    await stage.store.age(victim.sessionId, { silentMs: sessionTtlMs });
    await stage.store.age(judging.sessionId, { steadyMs: sessionTtlMs });
    judging.era = "another";
    assert.deepEqual(await judging.condemn(victim.sessionId, { proof: true }), { status: "era" });
    assert.equal((await victim.ping()).status, "alive");
  },
};
