import assert from "node:assert/strict";
import { test } from "node:test";
import type { AcquireRequest, StorePush } from "../../../src/databases/database.js";
import { Pushes } from "../../../src/databases/postgres/postgres-waiting.js";

const request = (leaseNumber: number): AcquireRequest => ({ key: "key", leaseNumber, lockTtlMs: 1, trace: "" });

function heard(words: string, ...answers: [status: string, nowMs: number][]): StorePush[] {
  const told: StorePush[] = [];
  const pushes = new Pushes((push) => told.push(push));
  for (const [status, nowMs] of answers) pushes.answered([request(7)], [[status]], nowMs);
  pushes.hear(words);
  return told;
}

const words = "granted 7 100 101 5000 era session.1";
const granted = {
  kind: "granted",
  leaseNumber: 7,
  fencingToken: 100,
  lastToken: 101,
  acquiredAtMs: 5_000,
  era: "era",
  sessionId: "session.1",
};

test("a grant that was executed after the last answer to its waiter is told as it is", () => {
  assert.deepEqual(heard(words, ["queued", 4_999]), [granted]);
  assert.deepEqual(heard(words, ["queued", 5_000]), [granted]);
  assert.deepEqual(heard(words), [granted]);
});

test("a grant that is older than the answer that its waiter still waits is only a hint to ask", () => {
  assert.deepEqual(heard(words, ["queued", 5_001]), [{ kind: "first", leaseNumber: 7 }]);
  assert.deepEqual(
    heard(words, ["queued", 5_001], ["granted", 5_002]),
    [granted],
    "who waits no longer has its answer",
  );
});

test("words of another version are passed over", () => {
  assert.deepEqual(heard("praised 7"), []);
  assert.deepEqual(heard("revoked 7 9"), [{ kind: "revoked", leaseNumber: 7, fencingToken: 9 }]);
});
