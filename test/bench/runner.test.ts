// The bench judges speed; here a question that is made up shows what it makes of an answer.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  isWithinBound,
  NoPeersError,
  rounds,
  type Answer,
  type Question,
  type Series,
} from "../../bench/support/question.js";
import { ask, type Wanted } from "../../bench/support/runner.js";
import { summary } from "../../bench/support/summary.js";

const atLeast3 = { of: "p50", atLeast: 3 } as const;

test("a smoke passes what is half as good as due, and fails on a collapse", async () => {
  const half = ratioOf(1.6);
  const collapsed = ratioOf(1.4);
  assert.equal((await run([half], { smoke: true })).isGood, true);
  assert.equal((await run([half], {})).isGood, false);
  const { isGood, lines } = await run([collapsed, half], { smoke: true });
  assert.equal(isGood, false);
  assert.match(lines.at(-1) ?? "", /✖ ratio: ÷ theirs: p50 1\.40, .*due: p50 ≥ 1\.5/);
});

test("a smoke asks once more before it calls something a collapse, and no other run does", async () => {
  for (const smoke of [true, false]) {
    let asked = 0;
    const better: Question = { ...made(), ask: (setting) => ratioOf(++asked === 1 ? 0.1 : 3).ask(setting) };
    assert.equal((await run([better], { smoke })).isGood, smoke);
    assert.equal(asked, smoke ? 2 : 1);
  }
});

test("a smoke gives a time wide room, a ratio one bad round, and a count neither", async () => {
  const time = { label: "a time", unit: "ms", bound: { of: "every", atMost: 100 } } as const;
  assert.equal((await run([made({ ...time, samples: [999] })], { smoke: true })).isGood, true);
  assert.equal((await run([made({ ...time, samples: [1_001] })], { smoke: true })).isGood, false);
  const ratio = { label: "÷ theirs", unit: "×", bound: { of: "every", atLeast: 1 } } as const;
  assert.equal((await run([made({ ...ratio, samples: [0.3, 0.7, 0.8] })], { smoke: true })).isGood, true);
  assert.equal((await run([made({ ...ratio, samples: [0.3, 0.4, 0.8] })], { smoke: true })).isGood, false);
  const count = { label: "overlaps", unit: "", bound: { of: "every", atMost: 0 } } as const;
  assert.equal((await run([made({ ...count, samples: [0, 0, 1] })], { smoke: true })).isGood, false);
});

test("a bound is on the p50 or on every sample, and no figure keeps none", () => {
  const series = { label: "", unit: "×" };
  const judge = (samples: number[], bound: NonNullable<Series["bound"]>): unknown =>
    isWithinBound({ ...series, samples, bound });
  assert.equal(judge([1, 3, 4], atLeast3), true);
  assert.equal(judge([1, 3, 4], { of: "every", atLeast: 3 }), false);
  assert.equal(judge([1, 3, 4], { of: "every", atMost: 4 }), true);
  assert.equal(judge([1, 3, 5], { of: "every", atMost: 4 }), false);
  assert.equal(judge([], { of: "p50", atMost: 4 }), false);
  assert.equal(judge([1, NaN, 1], { of: "p50", atMost: 4 }), false);
  assert.equal(isWithinBound({ ...series, samples: [] }), undefined);
});

test("a question that fails leaves the others theirs", async () => {
  const broken: Question = { ...made(), name: "broken", ask: () => Promise.reject(new Error("no server")) };
  const { isGood, lines, printed } = await run([broken, ratioOf(3)], {});
  assert.equal(isGood, false);
  assert.match(lines.at(-1) ?? "", /✖ broken: could not be measured: Error: no server/);
  assert.ok(printed.some((line) => line.includes("2 of 2") && line.includes("ratio")));
  assert.ok(printed.some((line) => line.includes("÷ theirs") && line.includes("ok: p50 ≥ 3")));
});

test("what needs the others' lockers is left out only where that is allowed", async () => {
  const lonely: Question = { ...made(), ask: ({ peers }) => Promise.reject(new Error(peers.module("redlock"))) };
  const allowed = await run([lonely], { smoke: true, mayLackPeers: true });
  assert.equal(allowed.isGood, true);
  assert.match(allowed.lines[1] ?? "", /ratio .* left out$/);
  assert.equal((await run([lonely], { smoke: true })).isGood, false);
});

test("questions that wait are asked side by side, after the others", async () => {
  const order: string[] = [];
  let open!: () => void;
  const both = new Promise<void>((resolve) => (open = resolve));
  const waiting = (name: string): Question => ({
    ...made(),
    name,
    waits: true,
    ask: async () => {
      order.push(name);
      if (order.length === 3) open();
      await both; // never settles unless the second one is asked meanwhile
      return { series: [] };
    },
  });
  const working: Question = { ...made(), ask: () => Promise.resolve(void order.push("working")).then(() => none) };
  await run([waiting("one"), waiting("two"), working], {});
  assert.deepEqual(order, ["working", "one", "two"]);
});

test("a question runs as often as it says, as the smoke says, or as is asked for", async () => {
  const seen: number[] = [];
  const counted: Question = {
    ...made(),
    runs: 20,
    smokeRuns: 2,
    ask: (setting) => {
      seen.push([...rounds(setting)].length);
      return Promise.resolve(none);
    },
  };
  await run([counted], {});
  await run([counted], { smoke: true });
  await run([counted], { smoke: true, runs: 7 });
  assert.deepEqual(seen, [20, 2, 7]);
});

const none: Answer = { series: [] };

function ratioOf(value: number): Question {
  return made({ label: "÷ theirs", unit: "×", samples: [value], bound: atLeast3 });
}

function made(...series: Series[]): Question {
  return { name: "ratio", asks: "a made one", runs: 1, ask: () => Promise.resolve({ series }) };
}

async function run(
  questions: readonly Question[],
  wanted: Partial<Wanted>,
): Promise<{ isGood: boolean; lines: string[]; printed: string[] }> {
  const printed: string[] = [];
  const peers = {
    module: (name: string): never => {
      throw new NoPeersError(`${name} is not installed`);
    },
  };
  const print = (line: string): void => void printed.push(line);
  const asked = await ask(questions, { runs: undefined, smoke: false, mayLackPeers: false, peers, print, ...wanted });
  return { ...summary(asked), printed };
}
