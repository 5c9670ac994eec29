import assert from "node:assert/strict";
import type { LeaseAnswer, ReleaseAnswer } from "../../src/databases/database.js";
import { waitUntil } from "../support/wait.js";
import { first, type Actor, type ContractCases } from "./contract-stage.js";

/** What is said to the whole of a batch. */
export type Refused = { status: "condemned" | "era" | "generation" };

/** One element each, in a batch of its own. */
export async function renew(
  actor: Actor,
  key: string,
  fencingToken: number,
  more: object = {},
): Promise<LeaseAnswer | Refused> {
  const request = { key, leaseNumber: 1, fencingToken, lockTtlMs: 60_000, ...more };
  const result = await actor.leases.renew(actor.identity, [request]);
  return result.status === "ok" ? first(result.answers) : { status: result.status };
}

export async function release(actor: Actor, key: string, leaseNumber = 1): Promise<ReleaseAnswer | Refused> {
  const result = await actor.leases.release(actor.identity, [{ key, leaseNumber }]);
  return result.status === "ok" ? first(result.answers) : { status: result.status };
}

const untilGone = (actor: Actor, key: string) =>
  waitUntil(() => actor.readLease(key), undefined, { deadlineMs: 10_000, what: `the lease of ${key}` });

export const leaseCases: ContractCases = {
  "a free key is granted, and its record says to whom, when and in which era": async (stage) => {
    const actor = await stage.begun();
    const answer = await actor.acquire("key", { leaseNumber: 7, trace: " a trace\nof two lines " });
    assert.ok("fencingToken" in answer);
    const { fencingToken, acquiredAtMs } = answer;
    assert.ok(Math.abs(Date.now() - acquiredAtMs) < 3_600_000);
    assert.deepEqual(await actor.readLease("key"), {
      ...{ key: "key", sessionId: actor.sessionId, leaseNumber: 7, fencingToken, acquiredAtMs, era: actor.era },
      ...{ trace: " a trace\nof two lines ", mode: "exclusive", units: 1, isKept: false },
    });
  },

  "a fencing token is the store's clock in µs, and loses no digit": async (stage) => {
    const actor = await stage.begun();
    const tokens = new Set<number>();
    for (let i = 1; i <= 20; i++) tokens.add(await actor.take(`key${i}`));
    assert.ok([...tokens].every((token) => String(token).length === 16 && Number.isSafeInteger(token)));
    assert.equal(new Set([...tokens].map((token) => token % 10)).size > 1, true, "the last digit is one, too");
  },

  "a held key is not granted: the answer says who holds it": async (stage) => {
    const [holder, contender] = [await stage.begun(), await stage.begun()];
    const fencingToken = await holder.take("key");
    const answer = await contender.acquire("key");
    assert.ok("holders" in answer);
    assert.deepEqual([answer.holders[0]?.sessionId, answer.holders[0]?.fencingToken], [holder.sessionId, fencingToken]);
    assert.equal((await holder.acquire("key", { leaseNumber: 2 })).status, "held", "nor to itself, for another lease");
  },

  "an acquire that is asked for again finds its own lease, under the same token": async (stage) => {
    const actor = await stage.begun();
    const answer = await actor.acquire("key");
    for (let i = 0; i < 3; i++) assert.deepEqual(await actor.acquire("key"), answer);
  },

  "a lease that is asked for again lives as long as its last asking says": async (stage) => {
    const actor = await stage.begun();
    const fencingToken = await actor.take("key", { lockTtlMs: 300 });
    assert.equal(await actor.take("key", { lockTtlMs: 60_000 }), fencingToken);
    await actor.take("marker", { leaseNumber: 2, lockTtlMs: 400 });
    await untilGone(actor, "marker");
    assert.equal((await actor.readLease("key"))?.fencingToken, fencingToken);
  },

  "a lease that nobody renews is gone after its time to live, and the next token is larger": async (stage) => {
    const [holder, contender] = [await stage.begun(), await stage.begun()];
    const before = await holder.take("key", { lockTtlMs: 50 });
    await untilGone(holder, "key");
    assert.deepEqual(await renew(holder, "key", before), { status: "lost", lease: undefined });
    assert.ok((await contender.take("key")) > before);
  },

  "a renewed lease lives on, and one that was only looked at does not": async (stage) => {
    const actor = await stage.begun();
    const [kept, seen] = [await actor.take("kept", { lockTtlMs: 300 }), await actor.take("seen", { lockTtlMs: 300 })];
    assert.deepEqual(await renew(actor, "kept", kept), { status: "held" });
    assert.deepEqual(await renew(actor, "seen", seen, { lockTtlMs: 0 }), { status: "held" });
    await untilGone(actor, "seen");
    assert.deepEqual(await renew(actor, "kept", kept), { status: "held" });
    assert.deepEqual(await renew(actor, "seen", seen), { status: "lost", lease: undefined });
  },

  "only the lease itself is renewed: session, number and token must all be its own": async (stage) => {
    const [holder, other] = [await stage.begun(), await stage.begun()];
    const token = await holder.take("key");
    const lease = await holder.readLease("key");
    assert.deepEqual(await renew(holder, "key", token - 1), { status: "lost", lease });
    assert.deepEqual(await renew(holder, "key", token, { leaseNumber: 2 }), { status: "lost", lease });
    assert.deepEqual(await renew(other, "key", token), { status: "lost", lease });
    assert.deepEqual(await renew(holder, "key", token), { status: "held" });
  },

  "a released key is free, and to release it again is no error": async (stage) => {
    const [holder, contender] = [await stage.begun(), await stage.begun()];
    const before = await holder.take("key");
    assert.deepEqual(await release(holder, "key"), { status: "released" });
    assert.deepEqual(await release(holder, "key"), { status: "absent" });
    assert.ok((await contender.take("key")) > before);
    const lease = await contender.readLease("key");
    assert.deepEqual(await release(holder, "key"), { status: "other", lease }, "and harms nobody who has it since");
    assert.deepEqual(await release(contender, "key", 2), { status: "other", lease }, "nor another lease of the same");
    assert.deepEqual(await renew(contender, "key", lease?.fencingToken ?? 0), { status: "held" });
  },

  "a session that is over gives back what it held all the same": async (stage) => {
    const actor = await stage.begun();
    await actor.take("key");
    await actor.liveness.goodbye(actor.sessionId);
    assert.deepEqual(await release(actor, "key"), { status: "released" });
  },

  "who is absent is granted nothing and renews nothing": async (stage) => {
    const actor = await stage.begun();
    const token = await actor.take("held");
    await actor.liveness.goodbye(actor.sessionId);
    assert.equal((await actor.acquire("key", { leaseNumber: 2 })).status, "condemned");
    assert.equal((await actor.acquire("held")).status, "condemned", "not even what it has");
    assert.equal((await renew(actor, "held", token)).status, "condemned");
    assert.equal(await actor.readLease("key"), undefined);
  },

  "who lives in another era is granted nothing and renews nothing": async (stage) => {
    const actor = await stage.begun();
    const token = await actor.take("held");
    actor.era = "another";
    assert.equal((await actor.acquire("key", { leaseNumber: 2 })).status, "era");
    assert.equal((await renew(actor, "held", token)).status, "era");
    assert.equal(await actor.readLease("key"), undefined);
  },

  "keys and traces of any kind come back as they were": async (stage) => {
    const actor = await stage.begun();
    const texts = [
      "a b",
      "ключ",
      "🔒\u0000",
      "line\r\nbreak",
      "{tag}:*?[x]",
      " 1 x y 2 3 4 z ",
      "x".repeat(1_024),
      "%s%d",
    ];
    for (const [i, text] of texts.entries()) {
      await actor.take(text, { leaseNumber: i + 1, trace: text });
      const lease = await actor.readLease(text);
      assert.deepEqual([lease?.key, lease?.trace, lease?.leaseNumber], [text, text, i + 1]);
    }
  },
};
