import assert from "node:assert/strict";
import { test } from "node:test";
import { spawnChild } from "./child.js";
import { isRunning } from "./process-guard.js";
import { waitUntil } from "./wait.js";

const fixture = new URL("./fixtures/echo.js", import.meta.url);

test("a child answers requests by name, several at once", async () => {
  await using child = await spawnChild(fixture);
  const sums = await Promise.all([child.request("add", 1, 2), child.request("add", 20, 3)]);
  assert.deepEqual(sums, [3, 23]);
  assert.equal(await child.request("pid"), child.pid);
});

test("an error in the child rejects the request with its name, message and code", async () => {
  await using child = await spawnChild(fixture);
  await assert.rejects(child.request("fail", "no such key"), {
    name: "RangeError",
    message: "no such key",
    code: "E_FIXTURE",
  });
  await assert.rejects(child.request("unheard"), /serves no "unheard"/);
});

test("arguments and environment reach the child, the test runner's context does not", async () => {
  await using child = await spawnChild(fixture, { args: ["one", "two"], env: { FIXTURE_VALUE: "yes" } });
  assert.deepEqual(await child.request("surroundings"), { args: ["one", "two"], value: "yes", context: null });
});

test("output is collected on both streams", async () => {
  await using child = await spawnChild(fixture);
  await child.request("print", "to stdout", "to stderr");
  await waitUntil(() => [child.stdout, child.stderr], ["to stdout", "to stderr"], {
    deadlineMs: 5_000,
    what: "the child's output",
  });
});

test("a killed child rejects what waits for it and tells the signal", async () => {
  await using child = await spawnChild(fixture);
  const hanging = child.request("hang");
  await child.kill("SIGKILL");
  await assert.rejects(hanging, /ended with SIGKILL before it answered/);
  assert.deepEqual(await child.exited, { code: null, signal: "SIGKILL" });
  await assert.rejects(child.request("pid"), /ended with SIGKILL before "pid"/);
});

test("a stopped child answers once it goes on, and can be disposed of while stopped", async () => {
  await using child = await spawnChild(fixture);
  await child.kill("SIGSTOP");
  let answered = false;
  const sum = child.request("add", 2, 2).then(() => (answered = true));
  await using other = await spawnChild(fixture);
  assert.equal(await other.request("add", 1, 1), 2);
  assert.equal(answered, false);
  await child.kill("SIGCONT");
  await sum;
  await child.kill("SIGSTOP");
});

test("a disconnected child with nothing left to do ends by itself", async () => {
  await using child = await spawnChild(fixture);
  child.disconnect();
  assert.deepEqual(await child.exited, { code: 0, signal: null });
});

test("a module that fails to load rejects the spawn with what it printed", async () => {
  await assert.rejects(spawnChild(fixture, { args: ["fail-to-load"] }), (error: Error) => {
    assert.match(error.message, /ended with code 1 before it served/);
    assert.match(error.message, /cannot load/);
    return true;
  });
  await assert.rejects(spawnChild(fixture, { execPath: "/no/such/node" }), /ENOENT/);
});

test("a child is gone once its parent is, even while it is stopped", async () => {
  await using parent = await spawnChild(fixture);
  const grandchildPid = await parent.request<number>("spawnStopped");
  await parent.kill("SIGKILL");
  await waitUntil(() => isRunning(grandchildPid), false, { deadlineMs: 5_000, what: "the orphan runs" });
});
