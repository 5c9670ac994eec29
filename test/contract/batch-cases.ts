import assert from "node:assert/strict";
import type { AcquireAnswer, AcquireRequest, LeaseAnswer, ReleaseAnswer } from "../../src/databases/database.js";
import type { Actor, ContractCases } from "./contract-stage.js";

const SIZE = 64;
const range = Array.from({ length: SIZE }, (_, i) => i);
const request = (i: number): AcquireRequest => ({
  key: `key${i}`,
  leaseNumber: i + 1,
  lockTtlMs: 60_000,
  trace: `t${i}`,
});

async function acquireAll(actor: Actor, batch: readonly AcquireRequest[]): Promise<readonly AcquireAnswer[]> {
  const result = await actor.leases.acquire(actor.identity, batch);
  assert.equal(result.status, "ok");
  return result.status === "ok" ? result.answers : [];
}

const tokenOf = (answer: AcquireAnswer | undefined) => (answer?.status === "granted" ? answer.fencingToken : NaN);

export const batchCases: ContractCases = {
  "64 keys are granted in one batch, each under a token larger than the one before": async (stage) => {
    const actor = await stage.begun();
    const tokens = (await acquireAll(actor, range.map(request))).map(tokenOf);
    assert.equal(tokens.length, SIZE);
    assert.ok(tokens.every((token, i) => i === 0 || token > (tokens[i - 1] ?? Infinity)));
    for (const i of [0, 31, 63]) {
      const lease = await actor.readLease(`key${i}`);
      assert.deepEqual([lease?.leaseNumber, lease?.fencingToken, lease?.trace], [i + 1, tokens[i], `t${i}`]);
    }
  },

  "each element of a batch has its own answer, in the order asked for": async (stage) => {
    const [holder, contender] = [await stage.begun(), await stage.begun()];
    await acquireAll(holder, range.filter((i) => i % 3 === 0).map(request));
    await acquireAll(contender, range.filter((i) => i % 3 === 1).map(request));
    const answers = await acquireAll(contender, range.map(request));
    assert.deepEqual(
      answers.map(({ status }) => status),
      range.map((i) => (i % 3 === 0 ? "held" : "granted")),
    );
    answers.forEach((answer, i) => {
      if (answer.status === "held") assert.equal(answer.holders[0]?.leaseNumber, i + 1);
    });
  },

  "of two that ask for one key in a batch the first is granted and the second finds it held": async (stage) => {
    const actor = await stage.begun();
    const [one, two, again] = await acquireAll(actor, [
      { ...request(0), leaseNumber: 1 },
      { ...request(0), leaseNumber: 2 },
      { ...request(0), leaseNumber: 1 },
    ]);
    assert.deepEqual([one?.status, two?.status], ["granted", "held"]);
    assert.ok(two?.status === "held");
    assert.deepEqual([two.holders[0]?.leaseNumber, two.holders[0]?.fencingToken], [1, tokenOf(one)]);
    assert.deepEqual(again, one, "and one that is asked for twice is granted once");
  },

  "two that may both take a key from a dead session are not both granted it": async (stage) => {
    const [victim, contender] = [await stage.begun(), await stage.begun()];
    const fencingToken = await victim.take("key0");
    await victim.liveness.goodbye(victim.sessionId);
    const replace = { sessionId: victim.sessionId, fencingToken };
    const answers = await acquireAll(
      contender,
      [1, 2].map((leaseNumber) => ({ ...request(0), leaseNumber, replace: [replace] })),
    );
    assert.deepEqual(
      answers.map(({ status }) => status),
      ["granted", "held"],
    );
  },

  "64 leases are renewed, looked at and released in one batch each, also when some are not ours": async (stage) => {
    const [holder, other] = [await stage.begun(), await stage.begun()];
    const granted = await acquireAll(holder, range.map(request));
    await acquireAll(other, [{ ...request(0), key: "theirs", leaseNumber: 1 }]);
    const theirs = await other.readLease("theirs");
    const asked = range.map((i) => ({
      ...request(i),
      fencingToken: tokenOf(granted[i]),
      lockTtlMs: i % 2 ? 60_000 : 0,
    }));
    const named = asked.map((one, i) => ({ ...one, key: i === 5 ? "theirs" : i === 6 ? "nobody's" : one.key }));
    const renewed = await holder.leases.renew(holder.identity, named);
    const judged = range.map((i): LeaseAnswer =>
      i === 5 || i === 6 ? { status: "lost", lease: i === 5 ? theirs : undefined } : { status: "held" },
    );
    assert.deepEqual(renewed, { status: "ok", answers: judged });
    const released = await holder.leases.release(holder.identity, named);
    const ended = range.map((i): ReleaseAnswer => {
      if (i === 5 && theirs) return { status: "other", lease: theirs };
      return i === 6 ? { status: "absent" } : { status: "released" };
    });
    assert.deepEqual(released, { status: "ok", answers: ended });
    assert.deepEqual(await other.readLease("theirs"), theirs);
  },
};
