// Which answers replicas must have acknowledged before they are believed, and what becomes of one that they have not.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ScriptName } from "../../../src/databases/redis/connection.js";
import type { StorePush } from "../../../src/databases/database.js";
import { Acknowledgement, unbelieved } from "../../../src/databases/redis/replicas.js";
import { record } from "../../support/lockers.js";

const refused = { name: "StoreError", code: "unreplicated", message: /1 of 2 replicas have it after 50 ms/ };

/** Two replicas, of which so many answer. */
function acknowledged(answer: number, otherwise: "refuse" | "warn" = "refuse") {
  const asked: [number, number][] = [];
  const wait = (count: number, timeoutMs: number) => {
    asked.push([count, timeoutMs]);
    return Promise.resolve(answer);
  };
  return { asked, acknowledgement: new Acknowledgement({ count: 2, timeoutMs: 50, otherwise }, wait) };
}

const believed: [ScriptName, unknown][] = [
  ["begin", ["alive", "era"]],
  ["begin", ["recovering", "era"]],
  ["ping", ["alive", "era"]],
  ["ping", ["recovering", "era"]],
  ["acquire", ["ok", "1", ["held"], ["granted", "7"]]],
  ["reassert", ["ok", "1", ["held"]]],
  ["reown", ["ok", "1", ["lost"], ["held"]]],
];

const others: [ScriptName, unknown][] = [
  ["ping", ["condemned", "era"]],
  ["begin", ["reenter", "era"]],
  ["acquire", ["ok", "1", ["held"], ["queued"]]],
  ["reown", ["ok", "1", ["lost"]]],
  ["release", ["ok", "1", ["released"]]],
  ["renew", ["ok", "1", ["held"]]],
];

test("an answer that makes this process believe more counts once all replicas asked for have it", async () => {
  for (const [name, reply] of believed) {
    await assert.rejects(acknowledged(1).acknowledgement.of(name, reply), refused, name);
    const { asked, acknowledgement } = acknowledged(2);
    await acknowledgement.of(name, reply);
    assert.deepEqual(asked, [[2, 50]], name);
  }
});

test("nobody is asked about an answer that gives nothing", async () => {
  const { asked, acknowledgement } = acknowledged(0);
  for (const [name, reply] of others) await acknowledgement.of(name, reply);
  assert.deepEqual(asked, []);
});

test("where only a warning was asked for, the answer counts, and is warned about once", async () => {
  using told = record("store");
  const { acknowledgement } = acknowledged(1, "warn");
  for (const [name, reply] of believed) await acknowledgement.of(name, reply);
  assert.equal(told.events.filter(({ code }) => code === "unreplicated").length, 1);
});

test("a grant that another wrote is only a hint to ask, other pushes are what they are", () => {
  const push: StorePush = {
    kind: "granted",
    leaseNumber: 1,
    fencingToken: 2,
    lastToken: 2,
    acquiredAtMs: 3,
    era: "era",
    sessionId: "a.1",
  };
  assert.equal((unbelieved(push) as { era: string }).era, "");
  assert.deepEqual(unbelieved({ kind: "first", leaseNumber: 1 }), { kind: "first", leaseNumber: 1 });
});
