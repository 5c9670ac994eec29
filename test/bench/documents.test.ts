// What is told of speed is what was measured.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { questions } from "../../bench/questions.js";
import { chart, panelsOf, type Bar, type Panel } from "../../bench/support/chart.js";
import { documents, filled } from "../../bench/support/documents.js";
import { describeMachine } from "../../bench/support/machine.js";
import type { Answer } from "../../bench/support/question.js";
import { keep, readResults, resultOf, type Result } from "../../bench/support/results.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const results = join(root, "bench", "results");
const names = questions.map(({ name }) => name);

const answer: Answer = {
  series: [
    { label: "gap", locker: "pulselock", unit: "ms", samples: [0.5, 0.25, 0.75], bound: { of: "every", atMost: 0.6 } },
    { label: "gap", locker: "a <peer>", unit: "ms", samples: [1_500, 2_500, 2_000] },
    { label: "unbounded", unit: "", samples: [1] },
  ],
  charts: [{ title: "Gap & more", series: "gap", better: "less", scale: "log" }],
};

test("documents and chart say what the results say", () => {
  const kept = readResults(results, names);
  assert.ok(kept.length > 0, "there are no results");
  for (const { path, mark, lines } of documents) {
    const text = readFileSync(join(root, path), "utf8");
    assert.equal(text, filled(text, mark, lines(kept)), `${path} says something else: npm run bench fills it in`);
  }
  assert.equal(readFileSync(join(results, "chart.svg"), "utf8"), chart(panelsOf(kept)));
});

test("every file of results answers a question that is still asked", () => {
  const files = readdirSync(results).filter((file) => file !== "chart.svg");
  assert.deepEqual(
    files.filter((file) => !names.some((name) => file === `${name}.json`)),
    [],
  );
});

test("every question is listed under the name of its file", () => {
  const files = readdirSync(join(root, "bench")).filter((file) => file.endsWith(".ts"));
  const own = ["main.ts", "questions.ts"];
  const asked = files.filter((file) => !own.includes(file)).map((file) => file.replace(".ts", ""));
  assert.deepEqual(names.toSorted(), asked.toSorted());
});

test("a result is read as it was kept", () => {
  const folder = mkdtempSync(join(tmpdir(), "pulselock-results-"));
  try {
    const result = made();
    keep(folder, result);
    assert.deepEqual(readResults(folder, ["made", "another"]), [result]);
    assert.equal(result.ok, false);
    assert.equal(result.series[0]?.p50, 0.5);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("tables show each locker's p50, and each bound with what was measured", () => {
  const [speed, bounds] = documents.map(({ lines }) => lines([made()]));
  assert.deepEqual(speed, [
    "|  | pulselock | a <peer> |",
    "| --- | --- | --- |",
    "| Gap & more | 0.50 ms | 2,000 ms |",
  ]);
  assert.equal(bounds?.filter((line) => line.includes("every ≤ 0.6")).length, 1);
  assert.equal(bounds?.[2], "| `made`: how long | gap | every ≤ 0.6 | 0.50 (0.25 to 0.75) ms | missed |");
  assert.match(bounds?.at(-2) ?? "", /^\| `made` \| 7 s \| 0\.5 \|/);
});

test("a document is filled between its marks and nowhere else", () => {
  const text = "before\n<!-- speed: by a script -->\nold\n<!-- /speed -->\nafter\n";
  assert.equal(filled(text, "speed", ["new"]), text.replace("old", "new"));
  assert.throws(() => filled("no marks", "speed", []), /no marks of "speed"/);
});

test("a chart has a bar for each locker, as long as its figure on the scale", () => {
  const drawn = chart(panelsOf([made()]));
  const bars = [...drawn.matchAll(/<rect class="(ours|theirs)"[^>]* width="([\d.]+)"/g)];
  assert.deepEqual(
    bars.map(([, whose]) => whose),
    ["ours", "theirs"],
  );
  // From 0.1 to 2,000 is 4.3 powers of ten, and 0.5 is 0.7 of them up.
  const [ours = NaN, theirs = NaN] = bars.map(([, , width]) => Number(width));
  assert.ok(Math.abs(ours / theirs - 0.699 / 4.301) < 0.01, `${ours} ÷ ${theirs}`);
  assert.match(drawn, /Gap &amp; more/);
  assert.match(drawn, /a &lt;peer>/);
  assert.match(drawn, /prefers-color-scheme: dark/);
});

test("a bar of nothing is a line, and a figure without a unit has none", () => {
  const bar = (locker: string, value: number): Bar => ({ locker, value, unit: "" });
  const panel: Panel = { title: "Lost", series: "", better: "less", bars: [bar("pulselock", 0), bar("a", 5)] };
  const drawn = chart([panel]);
  assert.match(drawn, /class="ours"[^>]* width="1\.0"/);
  assert.match(drawn, />less is better</);
  assert.doesNotMatch(drawn, /NaN|Infinity/);
  assert.doesNotMatch(chart([{ ...panel, bars: [bar("pulselock", 0)] }]), /NaN|Infinity/);
});

function made(): Result {
  const machine = { ...describeMachine(), load: 0.5 };
  const result = resultOf(
    { name: "made", asks: "how long", runs: 3, ask: () => Promise.resolve(answer) },
    answer,
    machine,
    7,
  );
  return JSON.parse(JSON.stringify(result)) as Result;
}
