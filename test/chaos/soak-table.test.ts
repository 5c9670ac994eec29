import assert from "node:assert/strict";
import { test } from "node:test";
import { withRow, type SoakRow } from "./soak-table.js";

const row: SoakRow = {
  date: "2026-11-21",
  commit: "abc",
  backend: "redis",
  firstSeed: 7,
  schedules: 2,
  faults: 30,
  grants: 99,
  violations: 0,
  excused: 1,
  missed: 3,
  starvedMs: 1_250,
  worstTakeoverMs: 640,
};
const line = "| 2026-11-21 | abc | redis | 7 | 2 | 30 | 3 | 99 | 0 | 1 | 1.3 s | 640 ms |\n";

test("the first row brings its section along", () => {
  const text = withRow("# Faults\n\nText.\n", row);
  assert.ok(text.startsWith("# Faults\n\nText.\n\n## Soak results\n"), text);
  assert.ok(text.endsWith(`| --- |\n${line}`), text);
});

test("a row goes to the end of its own table and leaves what follows alone", () => {
  const once = withRow("# Faults\n", row);
  const remarked = withRow(`${once}\nA remark.\n`, { ...row, firstSeed: 9 });
  assert.equal(remarked, `${once}${line.replace("| 7 |", "| 9 |")}\nA remark.\n`);
  const text = withRow(`${once}\n## Track record\n\n| bug |\n| --- |\n`, { ...row, firstSeed: 9 });
  assert.equal(text, `${once}${line.replace("| 7 |", "| 9 |")}\n## Track record\n\n| bug |\n| --- |\n`);
});
