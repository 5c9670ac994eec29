// The table that says where each fault is shown must not name what is not there.

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const readme = readFileSync(join(root, "test/faults/README.md"), "utf8");
const ROWS = 43;

type Reference = { file: string; name: string };

/** The cells of the rows under a heading, without the table's head. */
function tableUnder(heading: string, text = readme): string[][] {
  const [, section = ""] = text.split(`\n## ${heading}\n`);
  const lines = section.split("\n## ")[0]!.split("\n");
  const rows = lines.filter((line) => line.startsWith("| ")).map((line) => line.slice(2, -2).split(" | "));
  return rows.slice(2);
}

function referencesIn(cell: string): Reference[] {
  return [...cell.matchAll(/`(test\/[^`]+\.ts)` "([^"]+)"/g)].map(([, file = "", name = ""]) => ({ file, name }));
}

/** What is named after "chaos:", up to the end of that list. */
function kindsIn(cell: string): string[] {
  return [...cell.matchAll(/chaos: ([a-z-]+(?:, [a-z-]+)*)/g)].flatMap(([, kinds = ""]) => kinds.split(", "));
}

/** Every quoted text of a source, with … for what a template fills in. */
function textsOf(source: string): Set<string> {
  const quoted = [...source.matchAll(/"((?:[^"\\\n]|\\.)*)"|`([^`]*)`/g)];
  return new Set(quoted.map(([, plain, template]) => plain ?? template!.replace(/\$\{[^}]*\}/g, "…")));
}

function missing({ file, name }: Reference): string | undefined {
  if (!existsSync(join(root, file))) return `${file} does not exist`;
  return textsOf(readFileSync(join(root, file), "utf8")).has(name) ? undefined : `${file} has no "${name}"`;
}

function sourcesUnder(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => `${folder}/${path}`);
}

/** The kinds of the chaos harness, or undefined where that is not part of the tree. */
function chaosKinds(): Set<string> | undefined {
  const path = join(root, "test/chaos/kinds.ts");
  if (!existsSync(path)) return undefined;
  const [, table = ""] = /export const kindSpecs = \{([^]*?)\n\} as const/.exec(readFileSync(path, "utf8")) ?? [];
  return new Set([...table.matchAll(/^ {2}"?([a-z-]+)"?: \{/gm)].map(([, kind = ""]) => kind));
}

test("the catalogue has every row, once and in order, and each says where it is shown or why not yet", () => {
  const rows = tableUnder("Catalogue");
  assert.deepEqual(
    rows.map(([number]) => Number(number)),
    Array.from({ length: ROWS }, (_, i) => i + 1),
  );
  for (const [number, , shown = ""] of rows) {
    const isShown = referencesIn(shown).length > 0 || kindsIn(shown).length > 0;
    assert.ok(isShown || shown.startsWith("A later backend"), `row ${number}: ${shown}`);
  }
});

test("every test that the catalogue names exists under that name", () => {
  const references = tableUnder("Catalogue").flatMap(([, , shown = ""]) => referencesIn(shown));
  assert.ok(references.length > 80, `only ${references.length} references were read`);
  assert.deepEqual(references.map(missing).filter(Boolean), []);
});

test("every kind of fault that is named is one of the chaos harness", (t) => {
  const rows = [...tableUnder("Catalogue"), ...tableUnder("Faults this machine cannot produce")];
  const named = new Set(rows.flatMap((cells) => kindsIn(cells.at(-1) ?? "")));
  assert.ok(named.size > 25, [...named].join(" "));
  const kinds = chaosKinds();
  if (!kinds) return t.diagnostic("test/chaos is not part of this tree: the names of its kinds were not checked");
  assert.ok(kinds.size > 25, [...kinds].join(" "));
  assert.deepEqual(
    [...named].filter((kind) => !kinds.has(kind)),
    [],
  );
});

test("every command of the track record runs a test that exists", () => {
  const rows = tableUnder("Track record");
  assert.ok(rows.length > 20, `only ${rows.length} bugs`);
  const files = sourcesUnder("test");
  const contract = files.filter((file) => file.startsWith("test/contract/")); // run by each backend's test
  for (const [bug = "", , commit = "", command = ""] of rows) {
    const [, filter = "", , pattern = ""] =
      /^`npm test -- (\S+)( --test-name-pattern="([^"]+)")?`$/.exec(command) ?? [];
    const own = files.filter((file) => file.endsWith(".test.ts") && filter !== "" && file.includes(filter));
    assert.ok(own.length > 0, `${bug}: ${command} runs no file`);
    const searched = own.some((file) => file.includes("redis-database")) ? [...own, ...contract] : own;
    const names = searched.flatMap((file) => [...textsOf(readFileSync(join(root, file), "utf8"))]);
    assert.ok(
      names.some((name) => name.includes(pattern)),
      `${bug}: no test is called ${pattern}`,
    );
    assert.match(commit, /^[0-9a-f]{7}$/, bug);
  }
});

test("a name that is not there is found", () => {
  assert.equal(missing({ file: "test/none.test.ts", name: "x" }), "test/none.test.ts does not exist");
  const file = "test/faults/catalogue.test.ts";
  assert.equal(missing({ file, name: "a name that is not there is found" }), undefined);
  assert.equal(missing({ file, name: ["never", "written"].join(" ") }), `${file} has no "never written"`);
  const text =
    '\n## Catalogue\n\n| a | b | c |\n| - | - | - |\n| 1 | x | `test/a.ts` "n … m"; chaos: kill, cut. Later |\n';
  const [[, , shown = ""] = []] = tableUnder("Catalogue", text);
  assert.deepEqual(referencesIn(shown), [{ file: "test/a.ts", name: "n … m" }]);
  assert.deepEqual(kindsIn(shown), ["kill", "cut"]);
  assert.ok(textsOf("test(`a ${x.y} b`, 1)").has("a … b"));
});
