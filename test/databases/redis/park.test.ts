import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, test } from "node:test";
import { newPrefix } from "../../support/lockers.js";
import { guardProcess } from "../../support/process-guard.js";
import { freePort } from "../../support/ports.js";
import { startRedis, type RedisServer } from "../../support/redis-server.js";
import { withDeadline } from "../../support/wait.js";

const prefix = newPrefix();
const database = new URL("../../support/fixtures/live-client-database.js", import.meta.url).href;
const pulselock = new URL("../../../src/index.js", import.meta.url).href;
let redis: RedisServer;

before(async () => {
  redis = await startRedis();
});

after(async () => {
  await redis[Symbol.asyncDispose]();
});

type Outcome = { code: number | null; signal: string | null; stdout: string; stderr: string; tookMs: number };

/** Runs a program that imports the module with the live client; it is to end by itself. */
async function run(program: string, more: Record<string, string> = {}): Promise<Outcome> {
  const imports = `import { client, database } from ${JSON.stringify(database)};
    import { Locker } from ${JSON.stringify(pulselock)};
    const location = { moduleName: ${JSON.stringify(database)}, exportName: "database" };
    const limits = { sessionTtlMs: 2_000, pingIntervalMs: 100, disconnectGraceMs: 500 };`;
  const env = { ...process.env, FIXTURE_URL: redis.url, FIXTURE_PREFIX: prefix, NODE_TEST_CONTEXT: "", ...more };
  const startedMs = performance.now();
  const child = spawn(process.execPath, ["--input-type=module", "-e", imports + program], { env });
  guardProcess(child);
  const outcome = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (outcome.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (outcome.stderr += text));
  const ended = new Promise<Outcome>((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal, ...outcome, tookMs: performance.now() - startedMs }));
  });
  return withDeadline(ended, 15_000, "the program's end").finally(() => child.kill("SIGKILL"));
}

function assertPrinted(outcome: Outcome, stdout: string): void {
  const { code, signal, stderr } = outcome;
  assert.deepEqual({ code, signal, stdout: outcome.stdout, stderr }, { code: 0, signal: null, stdout, stderr: "" });
}

test("importing a live client's database keeps no process alive", async () => {
  const outcome = await run("console.log(database.recoveryMs);");
  assertPrinted(outcome, "700\n");
  assert.ok(outcome.tookMs < 3_000, `ended after ${outcome.tookMs} ms`);
});

test("importing it keeps no process alive while Redis is unreachable either", async () => {
  const outcome = await run("", { FIXTURE_URL: `redis://127.0.0.1:${await freePort()}` });
  assertPrinted(outcome, "");
  assert.ok(outcome.tookMs < 3_000, `ended after ${outcome.tookMs} ms`);
});

test("the application's own client connects with its first command, whenever that comes", async () => {
  assertPrinted(await run("console.log(await client.ping()); client.disconnect();"), "PONG\n");
  const later = `await new Promise((resolve) => setTimeout(resolve, 300));
    await client.set("own", "value");
    console.log(await client.get("own"), client.status);
    client.disconnect();`;
  assertPrinted(await run(later), "value ready\n");
});

test("the application's own client goes on while a locker is used and after it was closed", async () => {
  const program = `
    const locker = new Locker({ database: location, ...limits });
    await locker.acquireAndRun("key", () => client.set("during", "1"));
    await locker.close();
    await client.set("after", "1");
    console.log(await client.mget("during", "after"));
    client.disconnect();`;
  assertPrinted(await run(program), "[ '1', '1' ]\n");
});

test("a process whose own client was never used exits by itself after close()", async () => {
  const program = `
    const locker = new Locker({ database: location, ...limits });
    const { status } = await locker.acquireAndRun("key", () => undefined);
    await locker.close();
    console.log(status, client.status);`;
  assertPrinted(await run(program), "SUCCESS wait\n");
});

test("a quiet process with such a module has two connections, for the copy in the worker has none", async () => {
  const program = `
    const locker = new Locker({ database: location, ...limits });
    const { lease } = await locker.acquire("quiet");
    await lease.heartbeat.delay(500);
    const list = await client.client("LIST");
    console.log(list.trim().split("\\n").length);
    await locker.close();
    client.disconnect();`;
  assertPrinted(await run(program), "3\n"); // the third is the client that asked
});

test("a client that reconnected before it was handed over stays connected", async () => {
  const program = `
    const { RedisDatabase } = await import(${JSON.stringify(pulselock)});
    await client.ping();
    new RedisDatabase(client);
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    console.log(client.status);
    client.disconnect();`;
  assertPrinted(await run(program), "ready\n");
});

test("a command that the module itself sends at load is answered in both threads, and harms neither", async () => {
  const program = `
    import { subscribe } from "node:diagnostics_channel";
    subscribe("pulselock:worker", ({ state, error }) => console.log(state, error?.message ?? ""));
    const locker = new Locker({ database: location, ...limits });
    await locker.acquireAndRun("key", () => undefined);
    await locker.close();
    console.log(await client.get("loads"));
    client.disconnect();`;
  assertPrinted(await run(program, { FIXTURE_COUNTER: "loads" }), "started \nstopped \n2\n");
});
