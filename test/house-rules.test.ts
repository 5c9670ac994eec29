// Rules that a reader would otherwise have to check by eye. Each is proved on a sample that breaks it first: a rule
// that finds nothing anywhere says nothing.

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join, sep } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { checkSource, limits, type SourceFile } from "./support/source-rules.js";
import { codeOnly, functionSpans } from "./support/source-text.js";

const root = fileURLToPath(new URL("../../", import.meta.url));

test("every source keeps the house rules", () => {
  const files = ["src", "worker", "test", "bench", "examples", "scripts"].flatMap(sourcesUnder);
  assert.ok(
    files.some(({ path }) => path === "test/house-rules.test.ts"),
    `no sources under ${root}`,
  );
  const findings = files.flatMap(checkSource);
  assert.ok(findings.length === 0, `${findings.length} findings\n${findings.join("\n")}`);
});

test("sizes have limits", () => {
  const line = "export const value = 1;\n";
  assert.deepEqual(check("src/a.ts", line.repeat(limits.fileLines)), []);
  finds("src/a.ts", line.repeat(limits.fileLines + 1), /251 lines/);
  finds("src/a.ts", `// ${"x".repeat(limits.columns)}\n`, /src\/a\.ts:1: 123 columns/);
  const bodyOf = (lines: number): string => `export function long(): void {\n${"  work();\n".repeat(lines - 2)}}\n`;
  assert.deepEqual(check("src/a.ts", bodyOf(limits.functionLines)), []);
  finds("src/a.ts", bodyOf(limits.functionLines + 1), /src\/a\.ts:1: a function of 61 lines/);
});

test("time and chance are read in one place", () => {
  for (const call of ["Date.now()", "performance.now()", "process.hrtime.bigint()", "new Date()"]) {
    finds("src/a.ts", `export const at = ${call};\n`, /time is read/);
    finds("worker/a.ts", `export const at = ${call};\n`, /time is read/);
    assert.deepEqual(check("src/clock.ts", `export const at = ${call};\n`), []);
    assert.deepEqual(check("test/a.ts", `export const at = ${call};\n`), []);
  }
  finds("test/a.ts", "export const chance = Math.random();\n", /printed seed/);
});

test("loops that overlap, handles that hide and tests that do not run are found", () => {
  finds("src/a.ts", "setInterval(async () => renew(), 1_000);\n", /overlap/);
  finds("src/a.ts", "setInterval(() => renew(), 1_000).unref();\n", /event loop/);
  assert.deepEqual(check("test/a.ts", "server.unref();\n"), []);
  finds("test/a.test.ts", 'test.only("a", () => undefined);\n', /proves nothing/);
  finds("test/a.test.ts", 'test("a", { skip: true }, () => undefined);\n', /proves nothing/);
});

test("sleeps in tests need a reason", () => {
  finds("test/a.test.ts", "await new Promise((done) => setTimeout(done, 5));\n", /a sleep in a test/);
  finds("test/a.test.ts", "await sleep(5);\n", /a sleep in a test/);
  assert.deepEqual(check("test/a.test.ts", "await sleep(5); // waits: the load must last a while\n"), []);
  assert.deepEqual(check("test/support/wait.ts", "await sleep(5);\n"), []);
});

test("leftover marks are found, also in comments", () => {
  const [later, broken] = [["TO", "DO"].join(""), ["FIX", "ME"].join("")];
  finds("src/a.ts", `// ${later}: later\n`, /src\/a\.ts:1: /);
  finds("src/a.lua", `-- KEYS ARGV Returns ${broken}\n`, /src\/a\.lua:1: /);
});

test("imports follow the arrows", () => {
  const importing = (path: string): string => `import { thing } from "${path}";\n`;
  finds("src/a.ts", importing("../test/support/wait.js"), /may not need/);
  finds("worker/a.ts", 'export const late = import("../bench/load.js");\n', /may not need/);
  finds("src/databases/redis/a.ts", importing("../../lease.js"), /who uses it/);
  finds("src/databases/redis/a.ts", importing("../postgres/pool.js"), /only src\/databases\/open/);
  finds("src/locker.ts", `import type {\n  A,\n} from "./databases/redis/a.js";\n`, /src\/locker\.ts:3: .*only/);
  finds("src/recipes/a.ts", importing("../locker.js"), /public surface alone/);
  finds("src/recipes/a.ts", importing("../../worker/liveness.js"), /public surface alone/);
  finds("src/index.ts", importing("./recipes/a.js"), /knows no recipe/);
  finds("worker/a.ts", importing("../src/recipes/a.js"), /knows no recipe/);
  assert.deepEqual(check("src/recipes/a.ts", importing("../index.js") + importing("./b.js")), []);
  assert.deepEqual(check("src/index.ts", importing("./databases/redis/redis-database.js")), []);
  assert.deepEqual(check("src/databases/open.ts", importing("./redis/redis-database.js")), []);
  assert.deepEqual(check("src/databases/redis/a.ts", importing("./keys.js") + importing("../database.js")), []);
  assert.deepEqual(check("test/a.ts", importing("../src/databases/redis/keys.js")), []);
  assert.deepEqual(check("src/a.ts", '// as in: import { a } from "../test/a.js"\n'), []);
});

test("scripts have headers and test names state facts", () => {
  finds("src/databases/redis/a.lua", "-- Renews.\n-- KEYS[1] lease\nlocal ARGV, Returns\n", /does not say ARGV/);
  assert.deepEqual(check("src/a.lua", "-- Renews.\n-- KEYS[1] a   ARGV[1] b, ms\n-- Returns 1\nreturn 1\n"), []);
  finds("src/a.sql", "-- Renews. Returns nothing.\n", /does not say Arguments/);
  finds("test/a.test.ts", 'test("it should work", () => undefined);\n', /say what happens/);
});

test("text is told from code", () => {
  const blanked = codeOnly(
    'a("Date.now()", `x ${Date.now()} y`, /Date.now()/); // Date.now()\n/* Date.now() */ b / c / d;',
  );
  assert.equal(blanked.match(/Date\.now/g)?.length, 1);
  assert.match(blanked, /b \/ c \/ d;$/);
  assert.equal(codeOnly('"a\\"b" + c').trimEnd().endsWith("+ c"), true);
  assert.equal(codeOnly("`a${`b${c}`}d` + e"), "` ${` ${c}`} ` + e");
});

test("functions are measured from the first line of their signature", () => {
  const source = [
    "export class A {",
    "  method(",
    "    first: string,",
    "  ): void {",
    "    if (first) {",
    "      work();",
    "    }",
    "  }",
    "}",
    "const arrow = async () => {",
    "  work();",
    "};",
    'describe("a group", () => {',
    '  test("a fact", () => {',
    "    work();",
    "  });",
    "});",
  ].join("\n");
  assert.deepEqual(functionSpans(source), [
    { firstLine: 2, lines: 7 },
    { firstLine: 10, lines: 3 },
    { firstLine: 14, lines: 3 },
  ]);
});

function check(path: string, text: string): string[] {
  return checkSource({ path, text });
}

function finds(path: string, text: string, expected: RegExp): void {
  assert.match(check(path, text).join("\n"), expected);
}

function sourcesUnder(folder: string): SourceFile[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|mjs|lua|sql)$/.test(name) && !name.endsWith(".generated.ts"))
    .map((name) => ({
      path: join(folder, name).split(sep).join("/"),
      text: readFileSync(join(root, folder, name), "utf8"),
    }));
}
