// "errors: 0" of a search that was cut short is the trap: what pan printed is a proof only when it was run to the end.

import assert from "node:assert/strict";
import { test } from "node:test";

type Result = { verdict: "held" | "failed" | "void"; why: string; states: number; depth: number; memoryMb: number };
const url = new URL("../../../scripts/lib/pan.mjs", import.meta.url);
const { readPan } = (await import(url.href)) as { readPan(output: string): Result };

const summary = (errors: number) =>
  `State-vector 284 byte, depth reached 186, errors: ${errors}\n    36183 states, stored\n   131353 states, matched\n` +
  "  155.295       total actual memory usage\n";

test("a search that was run to the end without an error holds", () => {
  assert.deepEqual(readPan(`Full statespace search for:\n${summary(0)}`), {
    verdict: "held",
    why: "",
    states: 36_183,
    depth: 186,
    memoryMb: 155,
  });
});

test("a violated assertion, an invalid end state and a run that never ends are failures", () => {
  const cut = "Warning: Search not completed\n";
  for (const violation of [
    "assertion violated 0 (at depth 54)",
    "invalid end state (at depth 12)",
    "acceptance cycle (at depth 23)",
  ]) {
    const result = readPan(`pan:1: ${violation}\npan: wrote protocol.pml.trail\n${cut}${summary(1)}`);
    assert.equal(result.verdict, "failed");
    assert.equal(result.why, violation);
  }
});

test("a search that was cut short proves nothing, whatever its count of errors", () => {
  const cases = {
    "the memory limit was reached": "pan: reached -DMEMLIM bound\nWarning: Search not completed\n",
    "the depth limit was reached": "error: max search depth too small\n",
    "the search was not completed": "Warning: Search not completed\n",
  };
  for (const [why, said] of Object.entries(cases)) {
    const result = readPan(said + summary(0));
    assert.equal(result.verdict, "void", said);
    assert.equal(result.why, why);
  }
});

test("no summary, no states and an error that is no check are void", () => {
  assert.equal(readPan("").verdict, "void");
  assert.equal(readPan("Depth= 285 States= 1e+06\n").verdict, "void");
  assert.equal(readPan("State-vector 284 byte, depth reached 0, errors: 0\n").verdict, "void");
  assert.equal(readPan(`pan:1: VECTORSZ too small\n${summary(1)}`).verdict, "void");
});

test("a hash-compact search that holds says that it is no proof", () => {
  const result = readPan(`Hash-Compact 4 search for:\n${summary(0)}`);
  assert.equal(result.verdict, "held");
  assert.match(result.why, /no proof/);
});
