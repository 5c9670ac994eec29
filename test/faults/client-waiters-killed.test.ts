// A queue of a hundred waiters in twenty processes, of which ten are killed.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Locker } from "../../src/index.js";
import type { Child } from "../support/child.js";
import { newKey, newPrefix, openLocker, take } from "../support/lockers.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";
import { mulberry32, seed, waitUntil, withDeadline } from "../support/wait.js";
import { judgeVisits, spawnMember, type Visit } from "./fixtures/queue-members.js";

const processes = 20;
const waiters = 5;
const kills = 10;
/** A process whose event loop stood still for as long may have been passed over: see docs/adr/0008-waiting.md. */
const lateMsMax = 1_000;

const prefix = newPrefix();
const random = mulberry32(seed());
let server: RedisServer;
let locker: Locker;

before(async () => {
  server = await startRedis();
  locker = openLocker(server.url, prefix);
  await locker.acquireAndRun(newKey(), () => undefined);
});

after(async () => {
  await locker.close();
  await server[Symbol.asyncDispose]();
});

/** Killed among them, so that its place in the queue is any. */
function drawVictims<T>(all: readonly T[], count: number): T[] {
  const left = [...all];
  return Array.from({ length: count }, () => left.splice(Math.floor(random() * left.length), 1)[0]!);
}

/** One by one, so that the order in which they were queued is known. */
async function queueUp(members: readonly Child[], key: string): Promise<void> {
  const client = server.client();
  for (const [at, member] of members.entries()) {
    await member.request("startWaiting");
    const tail = (): Promise<string | null> => client.hget(`${prefix}q:${key}`, "tail");
    await waitUntil(tail, String(at + 1), { deadlineMs: 20_000, what: `the last place in the queue of ${key}` });
  }
}

/** All when the key is about to be free, or each a moment after another was served. */
async function killThem(victims: readonly Child[], when: "before" | "during", list: string): Promise<void> {
  const client = server.client();
  for (const victim of victims) {
    if (when === "during") {
      const more = (await client.llen(list)) + Math.floor(random() * 8);
      await waitUntil(async () => (await client.llen(list)) >= more, true, { deadlineMs: 20_000, what: "more visits" });
    }
    await victim.kill("SIGKILL");
  }
}

for (const when of ["before", "during"] as const) {
  test(`the living are served in order and once each when half of a queue is killed ${when} the service`, async () => {
    const [key, list] = [newKey(), newKey("visits")];
    const setup = { url: server.url, prefix, key, list, waiters };
    const members: Child[] = [];
    try {
      while (members.length < processes) {
        members.push(...(await Promise.all(Array.from({ length: 2 }, () => spawnMember(setup)))));
      }
      const lease = await take(locker, key);
      await queueUp(members, key);
      const victims = drawVictims(members, kills);
      if (when === "before") await killThem(victims, when, list);
      await lease.release();
      if (when === "during") await killThem(victims, when, list);
      const living = members.filter((member) => !victims.includes(member));
      const served = Promise.all(living.map((member) => member.request<number>("served")));
      const lateMs = await withDeadline(served, 60_000, "the service of the living");
      const visits = (await server.client().lrange(list, 0, -1)).map((text) => JSON.parse(text) as Visit);
      const killed = new Set(victims.map(({ pid }) => pid!));
      const late = new Set(living.filter((_, at) => lateMs[at]! > lateMsMax).map(({ pid }) => pid!));
      const queued = members.map(({ pid }) => pid!);
      const told = `killed: ${[...killed].join()}; late: ${[...late].join()}`;
      assert.deepEqual(judgeVisits(visits, { queued, killed, late, waiters }), [], told);
      await Promise.all(living.map((member) => member.request("close")));
    } finally {
      await Promise.all(members.map((member) => member[Symbol.asyncDispose]()));
    }
  });
}

test("a judge of visits finds an overlap, a second service, a waiter left out, and another order", () => {
  const visit = (pid: number, fencingToken: number, waiter = 0): Visit[] => [
    { pid, waiter, fencingToken, what: "in" },
    { pid, waiter, fencingToken, what: "out" },
  ];
  const judge = (visits: Visit[], killed: number[] = [], late: number[] = []): string =>
    judgeVisits(visits, { queued: [1, 2], killed: new Set(killed), late: new Set(late), waiters: 1 }).join("; ");
  assert.equal(judge([...visit(1, 1), ...visit(2, 2)]), "");
  assert.equal(judge([...visit(1, 1).slice(0, 1), ...visit(2, 2)], [1]), "");
  assert.equal(judge(visit(2, 1), [1]), "");
  assert.match(judge([...visit(1, 1).slice(0, 1), ...visit(2, 2)]), /2\/0 came in while 1\/0 was inside/);
  assert.match(judge([...visit(1, 1), ...visit(2, 1)]), /token 1 after 1/);
  assert.match(judge([...visit(1, 1), ...visit(2, 2), ...visit(1, 3)]), /1\/0 was served again/);
  assert.match(judge(visit(1, 1)), /not all waiters of 2 were served/);
  assert.match(judge([...visit(2, 1), ...visit(1, 2)]), /queued as 1,2 and served as 2,1/);
  assert.equal(judge([...visit(2, 1), ...visit(1, 2)], [], [1]), "");
});
