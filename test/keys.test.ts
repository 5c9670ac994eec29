import assert from "node:assert/strict";
import { test } from "node:test";
import { OptionError } from "../src/index.js";
import { lockersForFile } from "./support/file-lockers.js";
import { findBusy, take } from "./support/lockers.js";

const { redis, prefix, lockers } = await lockersForFile({}, {});
const [locker, other] = lockers;

const odd: Record<string, string> = {
  "colons and braces": "a:b::{c}:{}{d}:",
  spaces: "  two  spaces ",
  "a newline": "first line\nsecond line\r\n",
  NUL: "\0a\0b\0",
  "control bytes": "\x01\x1b\x7f",
  emoji: "🔒👩‍👩‍👧‍👦é",
  "Lua patterns and quotes": `%d+ "' \\ [[x]] --`,
  "a record of ours": "1 x sid 1 1 1 era trace",
  "the namespace's own name": "n",
  "a session's name": "s:abc.1",
  "a single space": " ",
  "exactly 1 KiB": "k".repeat(1_024),
  "exactly 1 KiB in UTF-8": "🔒".repeat(256),
  "words of Object.prototype": "__proto__",
};

for (const [name, key] of Object.entries(odd)) {
  test(`a key with ${name} is held, seen and given back under exactly that name`, async () => {
    const lease = await take(locker, key);
    assert.equal(lease.key, key);
    const { holder } = await findBusy(other, key);
    assert.equal(holder.key, key);
    assert.equal(holder.fencingToken, lease.fencingToken);
    await lease.heartbeat();
    await lease.release();
    assert.equal(await other.readHolder(key), undefined);
  });
}

test("keys that look alike are different keys", async () => {
  const alike = ["a", "A", "a ", " a", "a\n", "a\0", "é", "e\u0301"];
  const leases = await Promise.all(alike.map((key) => take(locker, key)));
  assert.equal(new Set(leases.map(({ fencingToken }) => fencingToken)).size, alike.length);
  await Promise.all(leases.map((lease) => lease.release()));
});

test("an odd key stays apart from the records of the namespace", async () => {
  const before = await redis.client().hgetall(`${prefix}n`);
  await using lease = await take(locker, "n");
  const now = await redis.client().hgetall(`${prefix}n`);
  assert.equal(now["era"], before["era"]);
  await lease.heartbeat();
});

const bad: Record<string, [key: unknown, message: RegExp]> = {
  "an empty key": ["", /^key \(""\) must be a non-empty string$/],
  "a key of 1 KiB and a byte": ["k".repeat(1_025), /^key \("k{60}… 1025 characters"\) must be at most 1024 bytes/],
  "a key of 1 KiB and a byte in UTF-8": [`${"🔒".repeat(256)}k`, /must be at most 1024 bytes in UTF-8$/],
  "a lone high surrogate": ["a\ud83d", /must be well-formed/],
  "a lone low surrogate": ["\udd12a", /must be well-formed/],
  "no key": [undefined, /^key \(undefined\) must be a non-empty string$/],
  "a number": [7, /^key \(7\) must be a non-empty string$/],
  "a buffer": [Buffer.from("key"), /must be a non-empty string$/],
};

for (const [name, [key, message]] of Object.entries(bad)) {
  test(`${name} is refused by every method, and nothing is written`, async () => {
    const before = await redis.client().dbsize();
    const calls = [
      () => locker.acquire(key as string),
      () => locker.acquireAndRun(key as string, () => assert.fail("the job ran")),
      () => locker.mutex(key as string, () => assert.fail("the job ran")),
      () => locker.readHolder(key as string),
    ];
    for (const call of calls) {
      await assert.rejects(call, (error) => {
        assert.ok(error instanceof OptionError);
        assert.equal(error.option, "key");
        assert.equal(error.value, key);
        assert.match(error.message, message);
        return true;
      });
    }
    assert.equal(await redis.client().dbsize(), before);
  });
}

const traces = {
  newlines: "line one\nline two\r\n",
  "spaces at its ends": "  padded  ",
  NUL: "a\0b",
  emoji: "🚀 release",
  "exactly 1 KiB": "t".repeat(1_024),
  "words like a record": "1 x sid 1 1 1 era trace",
};

for (const [name, trace] of Object.entries(traces)) {
  test(`a trace with ${name} is shown with the holder as it was given`, async () => {
    await using lease = await take(locker, `trace ${name}`, { trace });
    assert.equal((await findBusy(other, lease.key)).holder.trace, trace);
    assert.equal((await other.readHolder(lease.key))?.trace, trace);
  });
}
