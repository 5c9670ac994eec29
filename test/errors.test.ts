import assert from "node:assert/strict";
import { test } from "node:test";
import type { Holder, LockErrorCode } from "../src/index.js";
import {
  DeadlockError,
  DrainingSignal,
  LockerClosedError,
  LockError,
  LockModeError,
  LockTimeoutError,
  LockUnsureError,
  OptionError,
  ReentryError,
  StoreError,
} from "../src/index.js";

const holder: Holder = {
  key: "k",
  sessionId: "s.1",
  fencingToken: 9,
  acquiredAtMs: 1,
  heldForMs: 1_234.5,
  trace: "deploy 8",
  host: "api-7",
  pid: 412,
  labels: {},
};

const codes: LockErrorCode[] = [
  "taken-over",
  "expired",
  "revoked",
  "session-condemned",
  "store-lost-data",
  "unreachable",
  "closed",
];

test("a LockError of any code names the key and the code and says what to do", () => {
  for (const code of codes) {
    const error = new LockError(code, { key: 'odd "key"\n' });
    assert.equal(error.name, "LockError");
    assert.equal(error.code, code);
    const start = `Lease of ${JSON.stringify('odd "key"\n')} lost (${code}). `;
    assert.ok(
      error.message.startsWith(start) && error.message.slice(start.length).startsWith("Stop this job"),
      error.message,
    );
  }
});

test("a LockError tells the new holder, how long ago, the event-loop lag and the cause, as fields and in words", () => {
  const cause = new Error("why");
  const facts = { key: "k", holder, lostForMs: 12.4, eventLoopLagMs: 1_500.2, cause };
  const error = new LockError("taken-over", facts);
  const { key, lostForMs, eventLoopLagMs } = error;
  assert.deepEqual({ key, holder: error.holder, lostForMs, eventLoopLagMs, cause: error.cause }, facts);
  assert.equal(
    error.message,
    'Lease of "k" lost (taken-over, now held by api-7/412 "deploy 8" for 1235 ms, 12 ms ago).' +
      " The event loop was 1500 ms late. Stop this job: another process runs it.",
  );
});

test("a LockError without facts has neutral ones", () => {
  const error = new LockError("expired", { key: "k" });
  assert.deepEqual([error.holder, error.lostForMs, error.eventLoopLagMs, error.cause], [undefined, 0, 0, undefined]);
  assert.equal("cause" in error, false);
});

test("a holder whose session record is gone is named by its session", () => {
  const error = new LockTimeoutError("k", { ...holder, host: "", pid: 0, trace: "" }, 250);
  assert.equal(error.message, '"k" was not free within 250 ms; held by session s.1 for 1235 ms');
});

test("a DeadlockError names the key, and each wait of the cycle with its holder", () => {
  const cycle = [
    { key: "a", holder: { ...holder, key: "a" } },
    { key: "b", holder: { ...holder, key: "b", host: "api-8", trace: "" } },
  ];
  const error = new DeadlockError("a", cycle);
  assert.deepEqual([error.key, error.cycle], ["a", cycle]);
  assert.equal(
    error.message,
    'Waiting for "a" would never end ("a" held by api-7/412 "deploy 8" for 1235 ms, "b" held by api-8/412 for ' +
      "1235 ms): give back what this task holds, then retry",
  );
});

test("a ReentryError names the key and how to get the same lease", () => {
  const error = new ReentryError("k");
  assert.equal(error.key, "k");
  assert.match(error.message, /^"k" is held by this very task; with reentrant: true/);
});

test("a LockModeError names the key, the option, its value and the rule", () => {
  const error = new LockModeError("k", "permits.limit", 5, "must be 3, as for those who hold it");
  const { key, option, value, rule } = error;
  assert.deepEqual([key, option, value, rule], ["k", "permits.limit", 5, "must be 3, as for those who hold it"]);
  assert.equal(error.message, 'permits.limit (5) of "k" must be 3, as for those who hold it');
});

test("every error carries its class's name, so that a log line tells it", () => {
  const errors = [
    new LockError("closed", { key: "k" }),
    new LockUnsureError("k"),
    new LockTimeoutError("k", holder, 1),
    new DeadlockError("k", [{ key: "k", holder }]),
    new ReentryError("k"),
    new LockModeError("k", "mode", "exclusive", "must be shared"),
    new DrainingSignal("SIGTERM"),
    new LockerClosedError(),
    new OptionError("key", "", "must not be empty"),
    new StoreError("unreachable", "no answer"),
  ];
  for (const error of errors) {
    assert.ok(error instanceof Error);
    assert.equal(error.name, error.constructor.name);
    assert.ok(String(error).startsWith(`${error.name}: `), String(error));
  }
});

test("a DrainingSignal tells why the process drains", () => {
  const signal = new DrainingSignal("SIGTERM");
  assert.equal(signal.reason, "SIGTERM");
  assert.ok(signal.message.includes("SIGTERM"));
});

test("a StoreError that waiting does not mend says so", () => {
  const lasting = ["denied", "eviction-policy", "unsupported", "newer-version", "foreign-value"] as const;
  const passing = ["unreachable", "read-only", "out-of-memory"] as const;
  assert.ok(lasting.every((code) => new StoreError(code, "").isLasting));
  assert.ok(passing.every((code) => !new StoreError(code, "").isLasting));
});
