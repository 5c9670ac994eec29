import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { LockStatus, type KeyWanted, type LeaseGroup, type Locker } from "../src/index.js";
import { planKeys, takeAll, type KeyAndMode } from "../src/many-keys.js";
import { FakeClock } from "./support/fake-clock.js";
import { lockersForFile } from "./support/file-lockers.js";
import { newKey, take, untilFree } from "./support/lockers.js";
import { countCommands } from "./support/monitor.js";
import { assertRefused } from "./support/refusals.js";
import { seed, withDeadline } from "./support/wait.js";

const store = await lockersForFile({}, {});
const { redis, prefix } = store;
const [locker, other] = store.lockers;

async function takeGroup(from: Locker, keys: readonly KeyWanted[], waitMs = 0): Promise<LeaseGroup> {
  const acquired = await from.acquireAll(keys, { waitMs });
  if (acquired.status !== LockStatus.SUCCESS) throw new Error(`held: ${JSON.stringify(acquired.holder)}`);
  return acquired.group;
}

test("no keys, no list, one key in two modes and bad options are refused, nothing written", async () => {
  const key = newKey();
  const cases: [unknown, RegExp][] = [
    [[], /^keys \(\[\]\) must be a list of keys, at least one$/],
    ["a", /^keys \("a"\) must be a list/],
    [undefined, /^keys \(undefined\) must be a list/],
    [[key, ""], /^key \(""\) must be a non-empty string$/],
    [[key, 5], /^key \(5\) must be/],
    [[key, null], /^key \(null\) must be/],
    [[key, { key, mode: "shared" }], /^keys \("key-.*"\) must not be listed in two modes$/],
    [
      [
        { key, mode: "shared" },
        { key, mode: "exclusive" },
      ],
      /^keys \("key-.*"\) must not be listed in two modes$/,
    ],
    [[{ key, mode: "write" }], /^mode \("write"\) must be "exclusive" or "shared"$/],
  ];
  const fail = (): never => assert.fail("it ran");
  const asking = (keys: unknown, options?: object) => [
    () => locker.acquireAll(keys as string[], options),
    () => locker.acquireAllAndRun(keys as string[], fail, options),
  ];
  for (const [keys, message] of cases) await assertRefused(store, message, asking(keys));
  const options: [object, RegExp][] = [
    ...[-1, NaN, "1", null].map((waitMs): [object, RegExp] => {
      return [{ waitMs }, /^waitMs \(.*\) must be a number of ms ≥ 0, or Infinity$/];
    }),
    [{ lockTtlMs: 1_999 }, /^lockTtlMs \(1999\) must be at least sessionTtlMs \(2000\)$/],
    [{ trace: 5 }, /^trace \(5\) must be text of ≤ 1 KiB$/],
    [{ signal: {} }, /^signal \(\{\}\) must be an AbortSignal$/],
    ...["mode", "permits", "minHoldMs", "hierarchical", "reentrant"].map((name): [object, RegExp] => {
      return [{ [name]: 1 }, new RegExp(`^${name} \\(1\\) is not an option$`)];
    }),
  ];
  for (const [one, message] of options) await assertRefused(store, message, asking([key], one));
});

test("keys are acquired sorted, each once, a path after what lies above it", () => {
  const keys = fc.array(fc.stringMatching(/^[a-c/]{1,5}$/), { minLength: 1 });
  const property = fc.property(keys, (list) => {
    const { asked, sorted } = planKeys(list);
    assert.deepEqual(asked, list);
    const names = sorted.map(({ key }) => key);
    assert.deepEqual(new Set(names), new Set(list));
    names.forEach((key, i) => {
      assert.ok(i === 0 || names[i - 1]! < key);
      assert.ok(names.slice(i + 1).every((later) => !key.startsWith(later)));
    });
  });
  fc.assert(property, { seed: seed() });
});

test("free keys are acquired by one command, and leases come back in the order asked", async () => {
  const keys = [newKey("b"), newKey("a"), newKey("c")];
  const asked = [...keys, keys[0]!];
  let group: LeaseGroup | undefined;
  const { commands } = await countCommands(redis.url, async () => void (group = await takeGroup(locker, asked)));
  assert.deepEqual(
    group!.leases.map(({ key }) => key),
    asked,
  );
  assert.equal(group!.leases[0], group!.leases[3]);
  const sent = commands.filter(({ text }) => keys.some((key) => text.includes(key)) && !text.includes("lua]"));
  assert.equal(sent.length, 1, sent.map(({ text }) => text).join("\n"));
  await group!.heartbeat();
  group!.assertHeld();
  assert.equal(group!.state, "held");
  await group!.release();
  for (const key of keys) assert.equal(await other.readHolder(key), undefined);
});

test("when one key is held the others stay free, and the answer says by whom", async () => {
  const keys = [newKey("a"), newKey("b"), newKey("c")];
  await using _lease = await take(other, keys[1]!, { trace: "the other" });
  const acquired = await locker.acquireAll(keys);
  assert.ok(acquired.status === LockStatus.SOMEONE_ELSE_HOLDS_LOCK);
  assert.deepEqual([acquired.holder.key, acquired.holder.trace], [keys[1], "the other"]);
  await Promise.all([keys[0]!, keys[2]!].map((key) => untilFree(other, key)));
});

test("with patience many keys are waited for, one after the other", async () => {
  const keys = [newKey("a"), newKey("b"), newKey("c")];
  const first = await take(other, keys[0]!);
  const last = await take(other, keys[2]!);
  const waiting = locker.acquireAllAndRun(keys, (_beat, { leases }) => leases.length, { waitMs: 20_000 });
  await first.release();
  await last.release();
  const ran = await withDeadline(waiting, 5_000, "the keys");
  assert.deepEqual(ran, { status: "SUCCESS", result: 3, heldToTheEnd: true });
});

test("when the wait is over all that was held by then is given back", async () => {
  const keys = [newKey("a"), newKey("b"), newKey("c")];
  await using _lease = await take(other, keys[2]!);
  const startedMs = performance.now();
  const acquired = await locker.acquireAll(keys, { waitMs: 300 });
  const tookMs = performance.now() - startedMs;
  assert.equal(acquired.status, LockStatus.SOMEONE_ELSE_HOLDS_LOCK);
  assert.ok(tookMs >= 295 && tookMs < 2_000, `took ${tookMs} ms`);
  await Promise.all(keys.slice(0, 2).map((key) => untilFree(other, key)));
});

test("an abort ends the wait with its reason, and nothing is held", async () => {
  const keys = [newKey("a"), newKey("b")];
  await using _lease = await take(other, keys[1]!);
  const stop = new AbortController();
  const waiting = locker.acquireAll(keys, { waitMs: 20_000, signal: stop.signal });
  const busy = locker.acquireAll(keys);
  await busy;
  stop.abort(new Error("enough"));
  await assert.rejects(withDeadline(waiting, 1_000, "the abort"), /enough/);
  await untilFree(other, keys[0]!);
});

test("lists in any order, by two lockers that wait, all get their turn", async () => {
  const keys = [newKey(), newKey(), newKey()];
  let running = 0;
  const job = async (): Promise<void> => {
    running += 1;
    assert.equal(running, 1);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
  };
  const orders = [keys, keys.toReversed(), [keys[1]!, keys[2]!, keys[0]!]];
  const jobs = [locker, other].flatMap((from) =>
    orders.map((each) => from.acquireAllAndRun(each, job, { waitMs: 20_000 })),
  );
  const ran = await withDeadline(Promise.all(jobs), 20_000, "all six");
  assert.ok(ran.every(({ status }) => status === "SUCCESS"));
});

test("what a job over many keys throws reaches the caller, and all keys are free", async () => {
  const keys = [newKey(), newKey()];
  const thrown = new TypeError("row 3");
  const running = locker.acquireAllAndRun(keys, () => Promise.reject(thrown));
  await assert.rejects(running, (error) => error === thrown);
  for (const key of keys) assert.equal(await other.readHolder(key), undefined);
});

test("the loss of one lease aborts the group's signal and ends its heartbeats, the rest is released", async () => {
  const [lost, kept] = [newKey("a"), newKey("b")];
  const group = await takeGroup(locker, [lost, kept]);
  await redis.client().set(`${prefix}l:${lost}`, "somebody else's");
  const beats = group.heartbeat.delay(10_000); // waits: ends with the loss
  await redis.client().del(`${prefix}s:${await sessionOf(kept)}`); // the next ping finds it condemned
  await assert.rejects(withDeadline(beats, 8_000, "the loss"), { name: "LockError", key: lost });
  assert.equal(group.state, "lost");
  assert.ok(group.signal.aborted);
  assert.throws(() => group.assertHeld(), { name: "LockError" });
  await group.release();
  await untilFree(other, kept);
});

async function sessionOf(key: string): Promise<string> {
  const holder = await other.readHolder(key);
  assert.ok(holder);
  return holder.sessionId;
}

type Take = Parameters<typeof takeAll<string>>[2]["take"];

test("what fails in the middle of a wait gives back what was held, and is thrown", async () => {
  const returned: string[][] = [];
  let tries = 0;
  const holder = {} as never;
  const take: Take = ({ key }, waitMs, holding) => {
    if (waitMs === 0) return Promise.resolve(key === "c" ? { holder } : { lease: key });
    tries += 1;
    assert.equal(holding.length, tries - 1);
    return tries < 3 ? Promise.resolve({ lease: key }) : Promise.reject(new Error("no store"));
  };
  const giveBack = (leases: readonly string[]) => Promise.resolve(returned.push([...leases]));
  const keys: KeyAndMode[] = ["a", "b", "c"].map((key) => ({ key, mode: "exclusive" }));
  await assert.rejects(takeAll(keys, 1_000, { clock: new FakeClock(), take, giveBack }), /no store/);
  assert.deepEqual(returned, [
    ["a", "b"],
    ["a", "b"],
  ]);
});

test("a try that fails gives back what the others got, and is thrown", async () => {
  const returned: string[][] = [];
  const take: Take = ({ key }) => (key === "b" ? Promise.reject(new Error("denied")) : Promise.resolve({ lease: key }));
  const giveBack = (leases: readonly string[]) => Promise.resolve(returned.push([...leases]));
  const keys: KeyAndMode[] = ["a", "b", "c"].map((key) => ({ key, mode: "exclusive" }));
  await assert.rejects(takeAll(keys, 1_000, { clock: new FakeClock(), take, giveBack }), /denied/);
  assert.deepEqual(returned, [["a", "c"]]);
});
