import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import test from "node:test";
import type { HostProofs, SessionRecord } from "../src/databases/database.js";
import { proveProcess, readHostProofs } from "../src/host-facts.js";
import { once, waitUntil } from "./support/wait.js";

const own = readHostProofs();
const linux = { skip: !existsSync("/proc/self/stat") && "this system has no /proc" };
const exit = { deadlineMs: 10_000, what: "the child's exit" };

test("the facts of this process are read, and are the same every time", linux, () => {
  for (const [name, value] of Object.entries(own)) assert.notEqual(value, "", name);
  assert.match(own.startTime, /^\d+$/);
  assert.deepEqual(readHostProofs(), own);
});

test("this very process is alive", linux, () => {
  assert.equal(proveProcess(record(process.pid), own), "alive");
});

test("a child is alive while it runs and dead once it has ended", linux, async () => {
  const child = sleeper();
  const holder = record(child.pid!, { startTime: startTimeOf(child.pid!) });
  assert.equal(proveProcess(holder, own), "alive");
  child.kill("SIGKILL");
  await once(child, "exit", exit);
  assert.equal(proveProcess(holder, own), "dead");
});

test("a stopped child is alive", linux, async () => {
  const child = sleeper();
  const holder = record(child.pid!, { startTime: startTimeOf(child.pid!) });
  child.kill("SIGSTOP");
  await waitUntil(() => stateOf(child.pid!), "T", { deadlineMs: 10_000, what: "the child's state" });
  assert.equal(proveProcess(holder, own), "alive");
  child.kill("SIGKILL");
  await once(child, "exit", exit);
});

test("a pid that was given to another process proves the holder's death by its start time", linux, () => {
  assert.equal(proveProcess(record(process.pid, { startTime: `${Number(own.startTime) - 1}` }), own), "dead");
});

test("a start time that the holder could not read proves nothing", linux, () => {
  assert.equal(proveProcess(record(process.pid, { startTime: "" }), own), "unknown");
});

test("a zombie is dead, though its parent has not collected it", linux, async () => {
  // The parent that would collect its child is stopped first.
  const script = "const c=require('child_process').spawn('sleep',['60']);console.log(c.pid)";
  const parent = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "ignore"] });
  const [line] = await once(parent.stdout, "data", { deadlineMs: 10_000, what: "the pid of the child's child" });
  const pid = Number(String(line));
  const holder = record(pid, { startTime: startTimeOf(pid) });
  parent.kill("SIGSTOP");
  await waitUntil(() => stateOf(parent.pid!), "T", { deadlineMs: 10_000, what: "the parent's state" });
  process.kill(pid, "SIGKILL");
  await waitUntil(() => stateOf(pid), "Z", { deadlineMs: 10_000, what: "the zombie's state" });
  assert.equal(proveProcess(holder, own), "dead");
  parent.kill("SIGKILL");
  await once(parent, "exit", exit);
});

/** For it, this process must be somebody else. */
function assertForeign(pid: number): void {
  assert.throws(() => process.kill(pid, 0), { code: "EPERM" });
  assert.equal(proveProcess(record(pid, { startTime: startTimeOf(pid) }), own), "alive");
}

test("a process that may not be signalled is there", linux, async () => {
  if (process.getuid?.() !== 0) return assertForeign(1);
  const child = sleeper(65_534); // ours to signal; for it, this process is not
  assert.equal(proveProcess(record(child.pid!, { startTime: startTimeOf(child.pid!) }), own), "alive");
  process.seteuid!(65_533); // as somebody else, who gets EPERM
  try {
    assertForeign(child.pid!);
  } finally {
    process.seteuid!(0);
  }
  child.kill("SIGKILL");
  await once(child, "exit", exit);
});

const gonePid = 2 ** 22 + 1; // above the largest pid that Linux gives

for (const [name, proofs] of Object.entries({
  "another boot": { bootId: "other" },
  "a boot that cannot be told": { bootId: "" },
  "another pid namespace": { pidNamespace: "pid:[1]" },
  "a pid namespace that cannot be told": { pidNamespace: "" },
  "another time namespace": { timeNamespace: "time:[1]" },
} satisfies Record<string, Partial<HostProofs>>)) {
  test(`a holder in ${name} cannot be proven dead`, linux, () => {
    assert.equal(proveProcess(record(gonePid), own), "dead", "the pid itself is gone");
    assert.equal(proveProcess(record(gonePid, proofs), own), "unknown");
    assert.equal(proveProcess(record(gonePid), { ...own, ...proofs }), "unknown", "nor by one who is there");
  });
}

test("where time namespaces are unknown to both, the pid namespace alone decides", linux, () => {
  const proofs = { timeNamespace: "" };
  assert.equal(proveProcess(record(gonePid, proofs), { ...own, ...proofs }), "dead");
});

test("two sides that both cannot tell their boot or pid namespace prove nothing to each other", linux, () => {
  for (const proofs of [{ bootId: "" }, { pidNamespace: "" }]) {
    assert.equal(proveProcess(record(gonePid, proofs), { ...own, ...proofs }), "unknown");
  }
});

for (const pid of [0, -1, 1.5, NaN, 2 ** 53]) {
  test(`the pid ${pid} proves nothing, and is never signalled`, linux, () => {
    assert.equal(proveProcess(record(pid), own), "unknown");
  });
}

function sleeper(uid?: number): ChildProcess {
  return spawn("sleep", ["60"], { stdio: "ignore", ...(uid === undefined ? {} : { uid }) });
}

function stat(pid: number): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function stateOf(pid: number): string {
  return stat(pid)[0]!;
}

function startTimeOf(pid: number): string {
  return stat(pid)[19]!;
}

function record(pid: number, proofs: Partial<HostProofs> = {}): SessionRecord {
  return {
    ...{ sessionId: "holder.1", state: "alive", silentMs: 0, connectionGone: undefined },
    ...{ sessionTtlMs: 10_000, disconnectGraceMs: 1_500, host: "host", pid, labels: {}, proofs: { ...own, ...proofs } },
  };
}
