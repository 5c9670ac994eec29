// Mutants are text to be found and replaced: when the code moves on, one that is found no more would break nothing,
// and what it stands for would be checked by nobody.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { mutants } from "./all.js";
import type { Mutant } from "./mutant.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const protocol = join(root, "test", "model", "protocol.pml");

function faultsOf({ name, file, find, replace, caughtBy, model }: Mutant): string[] {
  const faults: string[] = [];
  const times = readFileSync(join(root, file), "utf8").split(find).length - 1;
  if (times !== 1) faults.push(`${name}: ${file} has ${times} times ${JSON.stringify(find)}, not once`);
  if (find === replace) faults.push(`${name}: changes nothing`);
  if (caughtBy.length === 0) faults.push(`${name}: names nothing that catches it`);
  if (model && existsSync(protocol) && !readFileSync(protocol, "utf8").includes(`M_${model}\n`)) {
    faults.push(`${name}: the model has no M_${model}`);
  }
  for (const word of caughtBy) {
    if (!existsSync(join(root, "test", `${word}.test.ts`))) faults.push(`${name}: there is no test ${word}`);
  }
  return faults;
}

test("each mutant finds its text exactly once, and names tests that exist", () => {
  assert.deepEqual(mutants.flatMap(faultsOf), []);
});

test("mutants have names of their own, and each breaks something else", () => {
  const edits = mutants.map(({ file, find, replace }) => `${file} ${find} ${replace}`);
  for (const [what, list] of Object.entries({ names: mutants.map(({ name }) => name), edits })) {
    assert.deepEqual(
      list.filter((one, i) => list.indexOf(one) !== i),
      [],
      `${what} that stand there twice`,
    );
  }
});

test("a mutant whose text is gone, or stands there twice, is told", () => {
  const sample = {
    name: "sample",
    rule: "",
    file: "src/batch.ts",
    find: "no such text",
    replace: "",
    caughtBy: ["batch"],
  };
  assert.match(faultsOf(sample).join(), /has 0 times "no such text", not once/);
  assert.match(faultsOf({ ...sample, find: "entries" }).join(), /has \d+ times "entries", not once/);
  assert.match(
    faultsOf({ ...sample, find: "", caughtBy: ["batsh"] }).join(),
    /changes nothing.*there is no test batsh/,
  );
  assert.match(faultsOf({ ...sample, caughtBy: [] }).join(), /names nothing/);
});
