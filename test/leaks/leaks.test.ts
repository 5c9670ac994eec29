// What a locker leaves behind that is used for long, and many lockers that are used once: nothing.

import assert from "node:assert/strict";
import { after, before, test, type TestContext } from "node:test";
import { spawnChild, type Child } from "../support/child.js";
import { newPrefix } from "../support/lockers.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";
import { waitUntil } from "../support/wait.js";
import { countsOf, type Census } from "./fixtures/census.js";

const deadlineMs = 10_000;
const atOnce = { cycles: 64, lifetimes: 4 };
/** In two rounds. `npm run leaks` makes it 200: each is a thread to start, and on a busy machine that takes a while. */
const lifetimes = Number(process.env["LEAK_LIFETIMES"] || 20);
/** Of each locker that stays; a closed one that somebody keeps is 45 to 95 KB. */
const LIFETIME_BYTES = 15_000;
/** What collections differ by, bytes. */
const NOISE_BYTES = 150_000;

let redis: RedisServer;

before(async () => {
  redis = await startRedis();
});

after(async () => {
  await redis[Symbol.asyncDispose]();
});

/** Numbers by a path of names: "resources.Timeout". */
type Counts = Record<string, number>;

async function openProcess(prefix: string): Promise<Child> {
  const child = await spawnChild(new URL("./fixtures/leak-process.js", import.meta.url), {
    execArgv: ["--expose-gc"],
  });
  await child.request("open", redis.url, prefix);
  return child;
}

function flatten(value: unknown, path = ""): Counts {
  if (typeof value === "number") return { [path]: value };
  if (typeof value !== "object" || value === null) return {};
  const parts = Object.entries(value).map(([name, part]) => flatten(part, path === "" ? name : `${path}.${name}`));
  return Object.assign({}, ...parts) as Counts;
}

/** What the store keeps for this namespace, by kind, and how many clients it has. */
async function countStore(prefix: string): Promise<Counts> {
  const counts: Counts = {};
  const add = (name: string, by = 1): void => void (counts[name] = (counts[name] ?? 0) + by);
  const client = redis.client();
  for (const key of await client.keys("*")) {
    const kind = key.startsWith(prefix) ? key.slice(prefix.length).split(":")[0] : "other";
    add(`store.${kind}`);
  }
  const clients = String(await client.call("CLIENT", "LIST"))
    .trim()
    .split("\n");
  add("store.clients", clients.length);
  add("store.channels", ((await client.call("PUBSUB", "CHANNELS")) as string[]).length);
  client.disconnect();
  return counts;
}

async function countAll(child: Child, prefix: string): Promise<{ census: Census; counts: Counts }> {
  const census = await child.request<Census>("census");
  return { census, counts: { ...flatten(countsOf(census)), ...(await countStore(prefix)) } };
}

/** What is more than it was. */
function grown(from: Counts, to: Counts): string[] {
  const names = Object.keys(to).filter((name) => (to[name] ?? 0) > (from[name] ?? 0));
  return names.map((name) => `${name}: ${from[name] ?? 0} → ${to[name]}`);
}

/**
 * Two rounds of the same work: what a round needs for good grows with the first one at most, what leaks with each.
 * Counts may not grow at all, once what is under way has ended.
 */
async function assertNoGrowth(t: TestContext, given: { prefix: string; child: Child; round: () => Promise<unknown> }) {
  const { child, prefix, round } = given;
  const censuses: Census[] = [];
  const first = await countAll(child, prefix);
  censuses.push(first.census);
  for (let i = 0; i < 2; i++) {
    await round();
    const ended = async (): Promise<string[]> => {
      const { census, counts } = await countAll(child, prefix);
      censuses[i + 1] = census;
      return grown(first.counts, counts);
    };
    await waitUntil(ended, [], { deadlineMs, what: "what has grown" });
  }
  t.diagnostic(`after: ${JSON.stringify((await countAll(child, prefix)).counts)}`);
  t.diagnostic(`heap, KB: ${censuses.map(({ heapBytes }) => Math.round(heapBytes / 1024)).join(", ")}`);
  t.diagnostic(`resident, MB: ${censuses.map(({ rssBytes }) => Math.round(rssBytes / 1024 ** 2)).join(", ")}`);
  const least = (name: "heapBytes" | "externalBytes"): number =>
    Math.min(...[1, 2].map((i) => (censuses[i]?.[name] ?? NaN) - (censuses[i - 1]?.[name] ?? NaN)));
  return { heapBytes: least("heapBytes"), externalBytes: least("externalBytes") };
}

test("10,000 acquires that end in every possible way leave nothing behind, twice", async (t) => {
  const prefix = newPrefix();
  await using child = await openProcess(prefix);
  await child.request("cycles", 2_000, atOnce.cycles);
  const round = () => child.request("cycles", 10_000, atOnce.cycles);
  const growth = await assertNoGrowth(t, { prefix, child, round });
  t.diagnostic(`growth in a round: ${JSON.stringify(growth)}`);
  // One pointer to a small object would be 40 bytes a cycle; collections differ by some 300 KB from one to the next.
  assert.ok(growth.heapBytes < 10_000 * 64, `${growth.heapBytes} bytes of heap`);
  assert.ok(growth.externalBytes < 10_000, `${growth.externalBytes} bytes outside of it`);
});

test(`${lifetimes} lockers that open, lock and close leave nothing behind`, async (t) => {
  const prefix = newPrefix();
  await using child = await openProcess(prefix);
  await child.request("lifetimes", 12, atOnce.lifetimes);
  const round = () => child.request("lifetimes", lifetimes / 2, atOnce.lifetimes);
  const growth = await assertNoGrowth(t, { prefix, child, round });
  t.diagnostic(`growth in a round: ${JSON.stringify(growth)}`);
  assert.ok(growth.heapBytes < (lifetimes / 2) * LIFETIME_BYTES + NOISE_BYTES, `${growth.heapBytes} bytes of heap`);
  assert.ok(growth.externalBytes < lifetimes * 100, `${growth.externalBytes} bytes outside of it`);
});

test("after close() a process has no thread, socket, timer or listener of a locker, and ends", async () => {
  const prefix = newPrefix();
  await using child = await openProcess(prefix);
  await child.request("cycles", 100, atOnce.cycles);
  await child.request("close");
  const resources = async (): Promise<Census["resources"]> => (await child.request<Census>("census")).resources;
  const own = await waitUntil(resources, (all) => Object.keys(all).every((name) => name === "PipeWrap"), {
    ...{ deadlineMs, what: "what keeps the process alive" },
  });
  assert.deepEqual(Object.keys(own), ["PipeWrap"], "its own channels");
  child.disconnect();
  assert.deepEqual(await child.exited, { code: 0, signal: null });
});

test("a census tells every kind of leak", async () => {
  const prefix = newPrefix();
  await using child = await openProcess(prefix);
  const first = await countAll(child, prefix);
  const kinds = {
    timer: "resources.Timeout",
    listener: "listeners.SIGTERM",
    signal: "signalListeners",
    thread: "threads",
    socket: "store.clients",
  };
  for (const [kind, name] of Object.entries(kinds)) {
    await child.request("leak", kind, 8);
    const told = async (): Promise<string> => grown(first.counts, (await countAll(child, prefix)).counts).join(" ");
    const tells = (text: string): boolean => text.includes(`${name}: `);
    await waitUntil(told, tells, { deadlineMs, what: `what has grown with a leaking ${kind}` });
  }
  for (const [kind, count, bytes] of [
    ["heap", 20_000, 20],
    ["locker", 10, LIFETIME_BYTES],
  ] as const) {
    const before = (await countAll(child, prefix)).census.heapBytes;
    await child.request("leak", kind, count);
    const growth = (await countAll(child, prefix)).census.heapBytes - before;
    assert.ok(growth > count * bytes, `${growth} bytes with ${count} leaks of kind ${kind}`);
  }
});
