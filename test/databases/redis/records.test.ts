import assert from "node:assert/strict";
import test from "node:test";
import { nanoid } from "nanoid";
import type { AcquireAnswer, Identity, LeaseRecord } from "../../../src/databases/database.js";
import { RedisKeys } from "../../../src/databases/redis/keys.js";
import { parseLease, parsePing, parseSession } from "../../../src/databases/redis/records.js";
import { ContractStage } from "../../contract/contract-stage.js";
import { openContractRedis } from "../../support/contract-redis.js";
import { randomInteger, randomKey, randomText } from "../../support/random-text.js";
import { mulberry32, seed } from "../../support/wait.js";
import { exclusive } from "../../support/lease-facts.js";

type Granted = Extract<AcquireAnswer, { status: "granted" }>;

/** As prelude.lua packs it. */
function pack({ sessionId, leaseNumber, fencingToken, acquiredAtMs, era, trace }: LeaseRecord): string {
  return `1 x ${sessionId} ${leaseNumber} ${fencingToken} ${acquiredAtMs} ${era} ${trace}`;
}

function randomLease(random: () => number): LeaseRecord {
  return {
    ...{ key: randomKey(random, 20), sessionId: `${nanoid()}.${randomInteger(random, 1_000).toString(36)}` },
    ...{
      leaseNumber: 1 + randomInteger(random, 2 ** 40),
      fencingToken: randomInteger(random, Number.MAX_SAFE_INTEGER),
    },
    ...{ acquiredAtMs: randomInteger(random, 2 ** 45), era: nanoid(10), trace: randomText(random, 40) },
    ...exclusive,
  };
}

test("a lease record says what was packed into it, whatever the trace", () => {
  const random = mulberry32(seed());
  for (let i = 0; i < 5_000; i++) {
    const lease = randomLease(random);
    assert.deepEqual(parseLease(lease.key, pack(lease)), lease, `round ${i}`);
  }
});

test("a text that is no lease record is refused, also one that only begins like it", () => {
  const whole = pack({ ...randomLease(mulberry32(1)), trace: "" });
  for (const text of [
    "",
    "hello",
    "1",
    "x 1 a.1 1 2 3 e t",
    whole.trimEnd(),
    whole.replace(" x ", "  "),
    `0${whole}`.slice(2),
  ]) {
    assert.throws(() => parseLease("key", text), { code: "foreign-value" }, JSON.stringify(text));
  }
  assert.throws(() => parseLease("key", whole.replace("1 x", "2 x")), { code: "newer-version" });
});

test("keys and traces come back from the server as they went in, through scripts and all", async () => {
  const random = mulberry32(seed());
  await using stage = new ContractStage(await openContractRedis());
  const actor = await stage.begun();
  for (let round = 0; round < 8; round++) {
    const leases = new Map(Array.from({ length: 64 }, () => [randomKey(random, 60), randomText(random, 60)]));
    const batch = [...leases].map(([key, trace], i) => ({
      key,
      trace,
      leaseNumber: round * 64 + i + 1,
      lockTtlMs: 60_000,
    }));
    const result = await actor.leases.acquire(actor.identity, batch);
    assert.ok(result.status === "ok");
    for (const [i, { key, trace, leaseNumber }] of batch.entries()) {
      const answer: AcquireAnswer | undefined = result.answers[i];
      if (answer?.status === "held") continue; // the same key in an earlier round
      assert.ok(answer?.status === "granted", `${JSON.stringify(key)}: ${JSON.stringify(answer)}`);
      const { sessionId, era }: Identity = actor.identity;
      const { fencingToken, acquiredAtMs }: Granted = answer;
      const lease = { key, sessionId, leaseNumber, fencingToken, acquiredAtMs, era, trace };
      const expected: LeaseRecord = { ...lease, ...exclusive };
      assert.deepEqual(await actor.readLease(key), expected);
    }
  }
});

test("labels and facts of a session come back as they went in", async () => {
  const random = mulberry32(seed());
  await using stage = new ContractStage(await openContractRedis());
  for (let round = 0; round < 20; round++) {
    const actor = await stage.actor();
    const labels = Object.fromEntries([1, 2, 3].map((n) => [`${randomText(random, 5)}${n}`, randomText(random, 20)]));
    const told = { host: randomText(random, 10), pid: randomInteger(random, 2 ** 22), labels };
    const proofs = { bootId: randomText(random, 5), pidNamespace: "pid:[1]", timeNamespace: "", startTime: "12" };
    await actor.begin({ ...told, proofs });
    const { session } = await actor.leases.readSession(actor.sessionId, actor.identity);
    const { host, pid } = session;
    assert.deepEqual({ host, pid, labels: session.labels, proofs: session.proofs }, { ...told, proofs });
  }
});

test("names of keys and channels never meet, and each is told from its name", () => {
  const random = mulberry32(seed());
  for (let i = 0; i < 2_000; i++) {
    const prefix = randomKey(random, 10);
    const keys = new RedisKeys(prefix);
    const [one, two] = [randomKey(random, 4), randomKey(random, 4)];
    const names = [keys.namespace, keys.lease(one), keys.session(one), keys.channel(one)];
    assert.equal(new Set(names).size, 4);
    assert.ok(names.every((name) => name.startsWith(prefix)));
    assert.equal(keys.lease(one).slice(`${prefix}l:`.length), one);
    assert.equal(keys.lease(one) === keys.lease(two), one === two);
  }
});

test("a ping's answer and a session are read as numbers and words, and what is missing counts as absent", () => {
  assert.deepEqual(parsePing(["alive", "e", "open", "1700000000000", "3", "2500", "0", "9"]), {
    ...{ status: "alive", era: "e", recovering: false, nowMs: 1_700_000_000_000, lostCounter: 3 },
    ...{ recoveryMs: 2_500, openInMs: 0, eraNumber: 9 },
  });
  const absent = parseSession("a.1", ["1000", "1", "70", "5"]);
  assert.deepEqual([absent.nowMs, absent.steadyMs, absent.overlookedMs], [1_000, 70, 5]);
  assert.equal(absent.session.state, "absent");
  assert.deepEqual([absent.session.silentMs, absent.session.connectionGone], [0, undefined]);
  const fields = ["era", "e", "last", "400", "channel", "1", "ttl", "10", "grace", "5", "labels", "{}"];
  const alive = parseSession("a.1", ["1000", "0", "70", "5", ...fields]).session;
  assert.deepEqual([alive.state, alive.silentMs, alive.connectionGone, alive.sessionTtlMs], ["alive", 600, false, 10]);
  assert.equal(parseSession("a.1", ["1000", "1", "70", "5", ...fields]).session.connectionGone, true);
  assert.equal(parseSession("a.1", ["1000", "", "70", "5", ...fields]).session.connectionGone, undefined);
  assert.equal(parseSession("a.1", ["1000", "1", "0", "0", ...fields, "dead", "9"]).session.state, "condemned");
});
