import assert from "node:assert/strict";
import type { LeaseAnswer } from "../../src/databases/database.js";
import { first, type Actor, type ContractCases, type ContractStage } from "./contract-stage.js";
import { release, renew, type Refused } from "./lease-cases.js";

/** One element, in a batch of its own. */
export async function reassert(
  actor: Actor,
  key: string,
  fencingToken: number,
  more: object = {},
): Promise<LeaseAnswer | Refused> {
  const lease = { key, leaseNumber: 1, fencingToken, lastToken: fencingToken, acquiredAtMs: 77, trace: " t " };
  const request = { ...lease, mode: "exclusive" as const, lockTtlMs: 60_000, ...more };
  const result = await actor.leases.reassert(actor.identity, [request]);
  return result.status === "ok" ? first(result.answers) : { status: result.status };
}

/** Sessions that lived before the loss, each in the new era again. */
export async function survivors(
  stage: ContractStage,
  count: number,
  lose: "loseMemory" | "interrupt" = "loseMemory",
  before?: (actor: Actor) => Promise<unknown>,
): Promise<[Actor, ...Actor[]]> {
  const actors: Actor[] = [];
  for (let i = 0; i < count; i++) actors.push(await stage.begun());
  for (const actor of actors) await before?.(actor);
  await stage.store[lose]();
  for (const actor of actors) await actor.begin({ mode: "trusted", era: (await actor.ping()).era });
  return actors as [Actor, ...Actor[]];
}

const held = { status: "held" };

export const reassertCases: ContractCases = {
  "in the window the living write again what they hold, as it was, in the new era": async (stage) => {
    const [actor] = await survivors(stage, 1);
    assert.deepEqual(await reassert(actor, "key", 1_234_567), held);
    assert.deepEqual(await actor.readLease("key"), {
      ...{ key: "key", sessionId: actor.sessionId, leaseNumber: 1, fencingToken: 1_234_567, acquiredAtMs: 77 },
      ...{ era: actor.era, trace: " t ", mode: "exclusive", units: 1, isKept: false },
    });
    assert.deepEqual(await reassert(actor, "key", 1_234_567), held, "also when asked again");
    assert.deepEqual(await renew(actor, "key", 1_234_567), held);
    await stage.closeWindow(actor);
    assert.deepEqual(await renew(actor, "key", 1_234_567), held, "and it stays theirs");
  },

  "a lease that is still there from before is nobody's, until it is written again like one that is not": async (
    stage,
  ) => {
    const holder = await stage.begun();
    const token = await holder.take("key");
    await stage.store.interrupt();
    await holder.begin({ mode: "trusted", era: (await holder.ping()).era });
    assert.equal((await renew(holder, "key", token)).status, "lost");
    assert.deepEqual(await reassert(holder, "key", token), held);
    assert.equal((await holder.readLease("key"))?.era, holder.era);
  },

  "what the living hold raises the fence: every later token is larger": async (stage) => {
    const [actor, other] = await survivors(stage, 2);
    const far = 2 ** 53 - 1_000_000; // of a store whose clock was ahead
    assert.deepEqual(await reassert(actor, "key", far), held);
    assert.deepEqual(await reassert(actor, "small", 5, { leaseNumber: 2 }), held, "a smaller one does not lower it");
    await stage.closeWindow(actor);
    const token = await (other ?? actor).take("another");
    assert.equal(token, far + 1);
    await release(actor, "key");
    assert.ok((await (other ?? actor).take("key", { leaseNumber: 2 })) > token);
  },

  "a block of tokens raises it to its end": async (stage) => {
    const [actor] = await survivors(stage, 1);
    const far = 2 ** 53 - 1_000_000;
    assert.deepEqual(await reassert(actor, "key", far, { lastToken: far + 999 }), held);
    assert.equal((await actor.readLease("key"))?.fencingToken, far);
    await stage.closeWindow(actor);
    assert.equal(await actor.take("another", { leaseNumber: 2 }), far + 1_000);
  },

  "of two that claim one key the larger token holds, whoever comes first": async (stage) => {
    const [older, newer] = await survivors(stage, 2);
    assert.ok(newer);
    assert.deepEqual(await reassert(older, "key", 1_000), held);
    assert.deepEqual(await reassert(newer, "key", 2_000), held);
    const lease = await newer.readLease("key");
    assert.equal(lease?.sessionId, newer.sessionId);
    assert.deepEqual(await reassert(older, "key", 1_000), { status: "lost", lease });
    assert.deepEqual(await renew(older, "key", 1_000), { status: "lost", lease });
    assert.deepEqual(await renew(newer, "key", 2_000), held);
  },

  "a token that is no larger than the one that is there claims nothing": async (stage) => {
    const [one, two] = await survivors(stage, 2);
    assert.ok(two);
    await reassert(one, "key", 1_000);
    const lease = await one.readLease("key");
    assert.deepEqual(await reassert(two, "key", 1_000), { status: "lost", lease });
    assert.deepEqual(await reassert(two, "key", 999), { status: "lost", lease });
  },

  "a claim is refused when old data shows that the key was granted to somebody later": async (stage) => {
    const [early, late] = [await stage.begun(), await stage.begun()];
    const token = await early.take("key");
    await release(early, "key");
    await late.take("key");
    await stage.store.interrupt();
    await early.begin({ mode: "provisional", era: (await early.ping()).era });
    assert.deepEqual(await reassert(early, "key", token), { status: "lost", lease: undefined });
  },

  "once the window has closed a key without a record is free, and nobody writes it again": async (stage) => {
    const [actor] = await survivors(stage, 1);
    await stage.closeWindow(actor);
    assert.deepEqual(await reassert(actor, "key", 1_000), { status: "lost", lease: undefined });
    assert.equal(await actor.readLease("key"), undefined);
  },

  "who is not of this era, or was condemned, writes nothing again": async (stage) => {
    const [actor] = await survivors(stage, 1);
    const { era } = actor;
    actor.era = "another";
    assert.deepEqual(await reassert(actor, "key", 1_000), { status: "era" });
    actor.era = era;
    await actor.liveness.goodbye(actor.sessionId);
    assert.deepEqual(await reassert(actor, "key", 1_000), { status: "condemned" });
    assert.equal(await actor.readLease("key"), undefined);
  },

  "a key that was written again is held against others, in the window and after it": async (stage) => {
    const [actor, other] = await survivors(stage, 2);
    assert.ok(other);
    await reassert(actor, "key", 1_000);
    assert.equal((await other.acquire("key")).status, "held");
    await stage.closeWindow(actor);
    assert.equal((await other.acquire("key")).status, "held");
  },

  "a lease that was given back in the window is gone, and may be claimed by nobody's old word but its owner's": async (
    stage,
  ) => {
    const [actor] = await survivors(stage, 1);
    await reassert(actor, "key", 1_000);
    assert.deepEqual(await release(actor, "key"), { status: "released" });
    assert.equal(await actor.readLease("key"), undefined);
  },

  "tombstones that are written in the window keep the condemned out, and end those that came in before": async (
    stage,
  ) => {
    const [condemner, early, late] = [await stage.begun(), await stage.begun(), await stage.begun()];
    await stage.store.loseMemory();
    const { era } = await condemner.ping();
    for (const actor of [condemner, early]) await actor.begin({ mode: "provisional", era });
    await condemner.leases.writeTombstones(condemner.identity, [early.sessionId, late.sessionId], 600_000);
    assert.equal((await early.ping()).status, "condemned");
    assert.equal((await late.begin({ mode: "provisional", era })).status, "condemned");
    assert.deepEqual(await reassert(early, "key", 1_000), { status: "condemned" });
    assert.equal((await condemner.ping()).status, "recovering");
  },

  "tombstones are written in that window alone": async (stage) => {
    const [condemner, victim] = await survivors(stage, 2);
    assert.ok(victim);
    const { identity } = condemner;
    await condemner.leases.writeTombstones({ ...identity, era: "another" }, [victim.sessionId], 600_000);
    assert.equal((await victim.ping()).status, "alive");
    await stage.closeWindow(condemner);
    await condemner.leases.writeTombstones(identity, [victim.sessionId], 600_000);
    assert.equal((await victim.ping()).status, "alive");
  },
};
