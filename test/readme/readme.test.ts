// The README's samples: all compile, and those that need nothing but a locker do what they say.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { transform } from "esbuild";
import { root } from "../support/consumer.js";
import { sharedRedis, type SharedRedis } from "../support/redis-server.js";
import { withDeadline } from "../support/wait.js";
import { readSamples, toModule, type Sample } from "./samples.js";

const run = promisify(execFile);
const surroundingsPath = join(root, "dist", "test", "readme", "surroundings.js");
let redis: SharedRedis;
let folder: string;
let samples: Sample[];
let source: string;

before(async () => {
  redis = await sharedRedis();
  process.env["README_REDIS_URL"] = redis.url;
  folder = await mkdtemp(join(tmpdir(), "pulselock-readme-"));
  samples = readSamples(await readFile(join(root, "README.md"), "utf8"));
  const { locker, ...others } = (await import("./surroundings.js")) as Record<string, unknown>;
  assert.ok(locker);
  source = toModule(samples, { names: ["locker", ...Object.keys(others)], path: surroundingsPath });
});

after(async () => {
  const { locker } = await import("./surroundings.js");
  await locker.close();
  await rm(folder, { recursive: true });
  await redis[Symbol.asyncDispose]();
});

test("every sample compiles in a strict project", async () => {
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  await writeFile(join(folder, "readme.ts"), source);
  const compilerOptions = {
    ...{ strict: true, noEmit: true, module: "nodenext", target: "es2023", lib: ["es2023", "esnext.disposable"] },
    ...{ types: ["node"], skipLibCheck: true },
    paths: Object.fromEntries(
      ["", "/recipes"].map((entry) => [`pulselock${entry}`, [join(root, "dist", "src", entry, "index.d.ts")]]),
    ),
  };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["readme.ts"] }));
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  await run(process.execPath, [tsc, "-p", folder]).catch(({ stdout }: { stdout: string }) => assert.fail(stdout));
});

test("every sample that only needs a locker runs to its end", async () => {
  const { code } = await transform(source, { loader: "ts", target: "node20" });
  const entry = (path: string): string => pathToFileURL(join(root, "dist", "src", path)).href;
  const linked = code
    .replace('from "pulselock"', `from "${entry("index.js")}"`)
    .replace('from "pulselock/recipes"', `from "${entry("recipes/index.js")}"`)
    .replace('from "ioredis"', `from "${pathToFileURL(join(root, "node_modules/ioredis/built/index.js")).href}"`);
  await writeFile(join(folder, "readme.mjs"), linked);
  const module = (await import(pathToFileURL(join(folder, "readme.mjs")).href)) as Record<string, () => Promise<void>>;
  const runnable = samples.flatMap((sample, at) => (/new (Locker|Redis)\(/.test(sample.code) ? [] : [{ sample, at }]));
  for (const { sample, at } of runnable) {
    await withDeadline(module[`sample${at}`]!(), 20_000, `the sample of "${sample.chapter}"`);
  }
});

test("each page on a database answers the same questions in the same order", async () => {
  const pages = (await readdir(join(root, "docs", "databases"))).map((name) => join(root, "docs", "databases", name));
  const headings = pages.map(async (page) => (await readFile(page, "utf8")).match(/^## .*$/gm) ?? []);
  const [first, ...others] = await Promise.all(headings);
  assert.ok(first!.length > 3 && others.length > 3, `${first!.length} headings, ${others.length} more pages`);
  for (const other of others) assert.deepEqual(other, first);
});

test("samples are found by their fences, under the heading above them, with their imports gathered", () => {
  const text =
    '# A\n```ts\nimport { a } from "m";\na();\n```\n## B\n```sh\nnpm\n```\n```ts\nexport const b = 1;\n```\n';
  const found = readSamples(text);
  assert.deepEqual(
    found.map(({ chapter }) => chapter),
    ["A", "B"],
  );
  const module = toModule(found, { names: ["locker"], path: "./around.js" });
  assert.match(module, /^import \{ locker \} from ".\/around.js";\nimport \{ a \} from "m";\n/);
  assert.match(module, /sample0\(\): Promise<void> \{\s+a\(\);\s+\}/);
  assert.match(module, /sample1\(\): Promise<void> \{\s+const b = 1;\s+\}/);
});
