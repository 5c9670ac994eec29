import assert from "node:assert/strict";
import test from "node:test";
import type { SessionRecord } from "../src/databases/database.js";
import { decideTakeover, type ProcessProof, type TakeoverVerdict } from "../src/takeover.js";

/** Limits of the holder that no default and no contender has, so that only its own record can have told them. */
const TTL = 7_000;
const GRACE = 1_100;
const CONTENDER_TTL = 9_000;

type Row = {
  name: string;
  state?: SessionRecord["state"];
  gone?: boolean | undefined;
  silent?: number;
  steady?: number;
  overlooked?: number;
  brokenAgo?: number;
  proof?: ProcessProof;
  verdict: TakeoverVerdict;
};

const dead = { verdict: "dead", proof: false } as const;
const proven = { verdict: "dead", proof: true } as const;
const alive = (againInMs: number) => ({ verdict: "alive", againInMs }) as const;
const unsure = (againInMs: number) => ({ verdict: "unsure", againInMs }) as const;

const byRecord: Row[] = [
  { name: "a condemned session is dead, however fresh", state: "condemned", silent: 0, steady: 0, verdict: dead },
  { name: "an absent session counts as condemned", state: "absent", silent: 0, steady: 0, verdict: dead },
  { name: "a condemned one needs no proof", state: "condemned", proof: "dead", verdict: dead },
];

const bySilence: Row[] = [
  { name: "a: silent for exactly its session TTL, contender as long steady", silent: TTL, steady: TTL, verdict: dead },
  { name: "a: one ms less of silence", silent: TTL - 1, steady: TTL, verdict: alive(1) },
  { name: "a: one ms less of steadiness", silent: TTL, steady: TTL - 1, verdict: unsure(1) },
  { name: "a: both short: the longer one counts", silent: TTL - 10, steady: TTL - 30, verdict: alive(30) },
  { name: "a: a contender that began just now waits the whole limit", silent: 60_000, steady: 0, verdict: unsure(TTL) },
  {
    name: "a: its own connection broke just now, which is no matter",
    silent: TTL,
    steady: TTL,
    brokenAgo: 0,
    verdict: dead,
  },
  { name: "a: its connection is there, and yet it is silent", gone: false, silent: TTL, steady: TTL, verdict: dead },
  { name: "a: the store cannot tell of connections", gone: undefined, silent: TTL, steady: TTL, verdict: dead },
  { name: "it has just pinged", gone: false, silent: 0, steady: 1e9, verdict: alive(TTL) },
];

const byConnection: Row[] = [
  { name: "b: gone, silent and steady for exactly the grace", gone: true, silent: GRACE, steady: GRACE, verdict: dead },
  { name: "b: one ms less of silence", gone: true, silent: GRACE - 1, steady: GRACE, verdict: alive(1) },
  { name: "b: one ms less of steadiness", gone: true, silent: GRACE, steady: GRACE - 1, verdict: unsure(1) },
  { name: "b: its connection is there", gone: false, silent: GRACE, steady: TTL, verdict: alive(TTL - GRACE) },
  { name: "b: the store cannot tell", gone: undefined, silent: GRACE, steady: TTL, verdict: alive(TTL - GRACE) },
  {
    name: "b: the contender's own connection broke exactly its own session TTL ago",
    ...{ gone: true, silent: GRACE, steady: GRACE, brokenAgo: CONTENDER_TTL },
    verdict: dead,
  },
  {
    name: "b: it broke one ms later: a common cause is likelier than a death",
    ...{ gone: true, silent: GRACE, steady: GRACE, brokenAgo: CONTENDER_TTL - 1 },
    verdict: unsure(1),
  },
  {
    name: "b: it broke just now, so silence alone decides, and sooner",
    ...{ gone: true, silent: 2_000, steady: 2_500, brokenAgo: 0 },
    verdict: unsure(TTL - 2_000),
  },
];

const byOverlooked: Row[] = [
  { name: "d: what the contender overlooks is added", silent: TTL, steady: TTL, overlooked: 600, verdict: unsure(600) },
  { name: "d: one ms less than that", silent: TTL + 599, steady: 1e9, overlooked: 600, verdict: unsure(1) },
  { name: "d: silent and steady for so much longer", silent: 7_600, steady: 7_600, overlooked: 600, verdict: dead },
  { name: "d: it lives, and is looked at again by then", silent: 100, overlooked: 600, verdict: alive(TTL + 500) },
  {
    name: "d: without a connection, the same is added to its grace",
    ...{ gone: true, silent: GRACE, steady: GRACE, overlooked: 600 },
    verdict: unsure(600),
  },
];

const byProof: Row[] = [
  { name: "c: proven dead and gone: no silence, no steadiness", gone: true, steady: 0, proof: "dead", verdict: proven },
  { name: "c: proven dead where the store cannot tell", gone: undefined, steady: 0, proof: "dead", verdict: proven },
  { name: "c: proven dead, but its socket is still there", gone: false, steady: 0, proof: "dead", verdict: unsure(20) },
  {
    name: "c: the same, and its silence is soon long enough",
    gone: false,
    silent: TTL - 5,
    proof: "dead",
    verdict: unsure(5),
  },
  {
    name: "c: proven dead, its connection hangs, silent long enough",
    gone: false,
    silent: TTL,
    proof: "dead",
    verdict: dead,
  },
  { name: "c: a process that is there may still be silent too long", silent: TTL, proof: "alive", verdict: dead },
  { name: "c: what cannot be proven proves nothing", gone: true, silent: 0, proof: "unknown", verdict: alive(GRACE) },
];

const byClock: Row[] = [
  {
    name: "its last ping lies ahead of the store's clock: the store is asked, and sets it right",
    silent: -1,
    verdict: dead,
  },
  { name: "ahead by an hour, judged by a contender that is not steady", silent: -3_600_000, steady: 0, verdict: dead },
];

for (const row of [...byRecord, ...bySilence, ...byConnection, ...byOverlooked, ...byProof, ...byClock]) {
  test(`a takeover is decided by rule: ${row.name}`, () => {
    const { state = "alive", gone, silent = 0, steady = 1e9, overlooked = 0 } = row;
    const { brokenAgo = Infinity, proof = "unknown", verdict } = row;
    const times = { steadyMs: steady, overlookedMs: overlooked, brokenAgoMs: brokenAgo };
    const facts = { holder: holder(state, silent, gone), proof, ...times };
    assert.deepEqual(decideTakeover({ ...facts, contenderSessionTtlMs: CONTENDER_TTL }), verdict);
  });
}

test("the contender's options judge nobody: its own session TTL does not move a holder's limit", () => {
  for (const contenderSessionTtlMs of [1, TTL, 3_600_000]) {
    const times = { steadyMs: 1e9, overlookedMs: 0, brokenAgoMs: Infinity };
    const facts = { proof: "unknown", ...times, contenderSessionTtlMs } as const;
    assert.deepEqual(decideTakeover({ ...facts, holder: holder("alive", TTL - 1, undefined) }), alive(1));
    assert.deepEqual(decideTakeover({ ...facts, holder: holder("alive", TTL, undefined) }), dead);
  }
});

test("a verdict that is not final says when it can be, and never at once", () => {
  const times = [0, 1, GRACE - 1, GRACE, TTL - 1, TTL, TTL + 1];
  for (const silent of times) {
    for (const steadyMs of times) {
      for (const gone of [true, false, undefined]) {
        const facts = {
          proof: "unknown",
          brokenAgoMs: 0,
          overlookedMs: 7,
          contenderSessionTtlMs: CONTENDER_TTL,
        } as const;
        const now = decideTakeover({ ...facts, steadyMs, holder: holder("alive", silent, gone) });
        if (now.verdict === "dead") continue;
        assert.ok(now.againInMs > 0);
        const later = { steadyMs: steadyMs + now.againInMs, brokenAgoMs: now.againInMs };
        const silentThen = silent + now.againInMs;
        assert.deepEqual(decideTakeover({ ...facts, ...later, holder: holder("alive", silentThen, gone) }), dead);
      }
    }
  }
});

function holder(state: SessionRecord["state"], silentMs: number, connectionGone: boolean | undefined): SessionRecord {
  return {
    ...{ sessionId: "holder.1", state, silentMs, connectionGone, sessionTtlMs: TTL, disconnectGraceMs: GRACE },
    ...{ host: "host", pid: 1, labels: {}, proofs: { bootId: "", pidNamespace: "", timeNamespace: "", startTime: "" } },
  };
}
