import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { build, type BuildOptions } from "esbuild";
import { createConsumer, packedFiles, root, type Consumer } from "./support/consumer.js";
import { sharedRedis, type SharedRedis } from "./support/redis-server.js";

let redis: SharedRedis;
let consumer: Consumer;

before(async () => {
  redis = await sharedRedis();
  consumer = await createConsumer();
});

after(async () => {
  await consumer[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

/** A whole life: grant, trust beyond the first ping, release, and an exit that nothing holds up. */
const body = `
  async function main() {
    const database = new RedisDatabase(process.env.REDIS, { prefix: "packaged:", recoveryMs: 700 });
    const limits = { sessionTtlMs: 2_000, pingIntervalMs: 100, disconnectGraceMs: 500 };
    const workerPath = process.env.WORKER_PATH;
    const locker = new Locker({ database: location ?? database, ...limits, ...(workerPath && { workerPath }) });
    const { status, result } = await locker.acquireAndRun("key", async (heartbeat, lease) => {
      await heartbeat.delay(600);
      return lease.state;
    });
    console.log(status, result);
    await locker.close();
  }
  main().catch((error) => { console.log(String(error)); process.exitCode = 1; });`;

const esm = (location = "undefined"): string => `import { Locker, RedisDatabase } from "pulselock";
  const location = ${location};${body}`;

const env = (more: Record<string, string> = {}) => ({ REDIS: redis.url, ...more });

test("the package holds the compiled sources, what describes them, and nothing else", async () => {
  const compiled = ["src", "worker"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => /\.c?ts$/.test(name))
      .map((name) => [name.replace(/ts$/, "js"), name.replace(/(c?)ts$/, "d.$1ts")])
      .flatMap((names) => names.map((name) => join("dist", folder, name))),
  );
  const documents = (await packedFiles()).filter((name) => /^(LICENSE|README|CHANGELOG)/.test(name));
  assert.ok(documents.includes("README.md") && documents.includes("CHANGELOG.md"));
  assert.deepEqual(await packedFiles(), [...compiled, ...documents, "package.json"].sort());
});

test("an installed package works from an ES module", async () => {
  const program = await consumer.write("app.mjs", esm());
  assert.equal(await consumer.node([program], env()), "SUCCESS held\n");
});

test("an installed package works from CommonJS", async () => {
  const program = `const { Locker, RedisDatabase } = require("pulselock");
    const location = undefined;${body}`;
  assert.equal(await consumer.node([await consumer.write("app.cjs", program)], env()), "SUCCESS held\n");
});

test("the recipes of an installed package work on its locker, from an ES module and from CommonJS", async () => {
  const program = `
    const database = new RedisDatabase(process.env.REDIS, { prefix: "packaged:", recoveryMs: 700 });
    const limits = { sessionTtlMs: 2_000, pingIntervalMs: 100, disconnectGraceMs: 500 };
    const locker = new Locker({ database, ...limits });
    const stop = new AbortController();
    lead(locker, "role", (heartbeat, lease) => {
      console.log(lease.state);
      stop.abort();
    }, { signal: stop.signal }).then(() => locker.close());`;
  const imports = `import { Locker, RedisDatabase } from "pulselock"; import { lead } from "pulselock/recipes";`;
  const requires = `const { Locker, RedisDatabase } = require("pulselock");
    const { lead } = require("pulselock/recipes");`;
  assert.equal(await consumer.node([await consumer.write("recipe.mjs", imports + program)], env()), "held\n");
  assert.equal(await consumer.node([await consumer.write("recipe.cjs", requires + program)], env()), "held\n");
});

test("a database module of the consumer is loaded by both threads, with the consumer's own ioredis", async () => {
  const module = `import { Redis } from "ioredis";
    import { RedisDatabase } from "pulselock";
    const client = new Redis(process.env.REDIS, { keyPrefix: "app:" });
    export const db = new RedisDatabase(client, { prefix: "packaged:", recoveryMs: 700 });`;
  const moduleName = await consumer.write("db.mjs", module);
  const program = await consumer.write("module.mjs", esm(JSON.stringify({ moduleName, exportName: "db" })));
  assert.equal(await consumer.node([program], env()), "SUCCESS held\n");
});

test("only the documented entries can be imported", async () => {
  const program = `
    for (const entry of [
      ...["pulselock", "pulselock/recipes", "pulselock/worker", "pulselock/package.json"],
      ...["pulselock/dist/src/engine.js", "pulselock/dist/src/recipes/leader.js"],
    ]) {
      const options = entry.endsWith(".json") ? { with: { type: "json" } } : {};
      await import(entry, options).then(() => console.log(entry), ({ code }) => console.log(code));
    }`;
  const stdout = await consumer.node([await consumer.write("entries.mjs", program)]);
  const entries = ["pulselock", "pulselock/recipes", "pulselock/worker", "pulselock/package.json"];
  const expected = [...entries, "ERR_PACKAGE_PATH_NOT_EXPORTED", "ERR_PACKAGE_PATH_NOT_EXPORTED"];
  assert.deepEqual(stdout.trim().split("\n"), expected);
});

test("the types compile in a strict consumer that checks libraries, as an ES module and as CommonJS", async () => {
  const uses = `
    const options: LockerOptions = { database: "redis://127.0.0.1", drainOn: ["SIGTERM"], seppuku: "kill" };
    export async function main(locker: Locker = new Locker(options)): Promise<number> {
      const acquired: AcquireResult = await locker.acquire("key", { waitMs: 5, signal: AbortSignal.timeout(5) });
      if (acquired.status === LockStatus.SOMEONE_ELSE_HOLDS_LOCK) return acquired.holder.pid;
      await using lease = acquired.lease;
      const run = await locker.acquireAndRun("key", async (heartbeat) => heartbeat.during(Promise.resolve("text")));
      if (run.status === LockStatus.SUCCESS) return run.result.length + Number(run.heldToTheEnd);
      await lead(locker, "role", (heartbeat) => heartbeat());
      const { holder } = run;
      // @ts-expect-error: a holder has no such field
      return holder.pidd + lease.fencingToken;
    }`;
  const names = "Locker, LockStatus, type AcquireResult, type LockerOptions";
  const imports = `import { ${names} } from "pulselock"; import { lead } from "pulselock/recipes";`;
  await consumer.write("types.mts", `${imports}${uses}`);
  await consumer.write("types.cts", `${imports}${uses}`);
  const compilerOptions = {
    ...{ strict: true, noEmit: true, module: "nodenext", target: "es2022", lib: ["es2023", "esnext.disposable"] },
    ...{ skipLibCheck: false, exactOptionalPropertyTypes: true, types: ["node"] },
    typeRoots: [join(root, "node_modules", "@types")],
  };
  const config = { compilerOptions, files: ["types.mts", "types.cts"] };
  const project = await consumer.write("tsconfig.json", JSON.stringify(config));
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  await assert.doesNotReject(consumer.node([tsc, "-p", project]), (error: { stdout: string }) =>
    assert.fail(error.stdout),
  );
});

/** The README's recipe: the worker as an entry of its own, piscina left out since it loads files beside its own. */
async function bundle(format: "esm" | "cjs", source: string): Promise<{ app: string; worker: string }> {
  const end = format === "esm" ? ".mjs" : ".cjs";
  const outdir = consumer.path(`bundle-${format}`);
  const requireShim = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';
  const options: BuildOptions = {
    entryPoints: { app: await consumer.write("bundled.mjs", source), worker: "pulselock/worker" },
    ...{ bundle: true, platform: "node", target: "node20", format, outdir, logLevel: "silent" },
    outExtension: { ".js": end },
    external: ["piscina"],
    absWorkingDir: consumer.folder,
    ...(format === "esm" && { banner: { js: requireShim } }), // ioredis is CommonJS and requires Node's own modules
  };
  const { errors } = await build(options);
  assert.deepEqual(errors, []);
  return { app: join(outdir, `app${end}`), worker: join(outdir, `worker${end}`) };
}

for (const format of ["esm", "cjs"] as const) {
  test(`a bundle in ${format} format works with the worker bundled beside it`, async () => {
    const { app, worker } = await bundle(format, esm());
    assert.equal(await consumer.node([app], env({ WORKER_PATH: worker })), "SUCCESS held\n");
  });

  test(`a bundle in ${format} format without workerPath says what is missing`, async () => {
    const { app } = await bundle(format, esm());
    await assert.rejects(consumer.node([app], env()), (error: { stdout: string }) => {
      assert.match(error.stdout, /^OptionError: workerPath \(undefined\) must be given in a bundle/);
      return true;
    });
  });
}
