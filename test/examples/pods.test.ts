// The small examples, each in three processes, as `npm start <name>` runs them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { runPods, type Example } from "../../examples/pods/fleet.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";
import { withDeadline } from "../support/wait.js";

let redis: RedisServer;
before(async () => void (redis = await startRedis()));
after(() => redis[Symbol.asyncDispose]());

type Said = { pod: string; at: string; text: string };

/** In the order of their times; those of one pod in the order in which it said them. */
async function linesOf(example: Example): Promise<Said[]> {
  const lines: Said[] = [];
  const onLine = (pod: string, line: string): void =>
    void lines.push({ pod, at: line.slice(0, 12), text: line.slice(13) });
  await withDeadline(runPods(example, { url: redis.url, pods: 3, onLine }), 60_000, example);
  return lines.toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
}

const matches = (lines: readonly Said[], pattern: RegExp): string[] =>
  lines.flatMap(({ text }) => pattern.exec(text)?.[1] ?? []);

test("cron: each tick's job runs once, whichever pod's clock is first", async () => {
  const lines = await linesOf("cron");
  const ticks = matches(lines, /^tick (\d+): /);
  const ran = matches(lines, /^tick (\d+): runs the job$/);
  assert.equal(ticks.length, 9);
  assert.deepEqual(ran.toSorted(), [...new Set(ticks)].toSorted());
});

test("mail-pool: never more than three mails are under way, two of one pod, and all are sent", async () => {
  const lines = await linesOf("mail-pool");
  const sending = new Map<string, number>();
  // What ended in the same ms in which another began was over before.
  const events = lines.toSorted((a, b) => (a.at === b.at ? Number(isStart(a)) - Number(isStart(b)) : 0));
  for (const { pod, text } of events) {
    sending.set(pod, (sending.get(pod) ?? 0) + (text.endsWith("sending") ? 1 : -1));
    const underWay = [...sending.values()];
    assert.ok(Math.max(...underWay) <= 2, `${pod} sends ${sending.get(pod)}`);
    assert.ok(underWay.reduce((sum, count) => sum + count) <= 3, underWay.join(" + "));
  }
  assert.equal(matches(lines, /^mail (\d): sent$/).length, 15);
});

const isStart = ({ text }: Said): boolean => text.endsWith("sending");

test("leader: the pods lead one after the other, each with a larger token", async () => {
  const lines = await linesOf("leader");
  const pods = [...new Set(lines.map(({ pod }) => pod))];
  assert.equal(pods.length, 3);
  let [lastAt, lastToken] = ["", 0];
  for (const leader of pods) {
    const term = lines.filter(({ pod }) => pod === leader);
    assert.equal(term.length, 5);
    const token = Number(matches(term, /^leads with token (\d+)$/)[0]);
    assert.ok(term[0]!.at >= lastAt && token > lastToken, `${leader} leads too soon`);
    [lastAt, lastToken] = [term.at(-1)!.at, token];
  }
});

test("payments: all are booked, one after the other, in the order of their tokens", async () => {
  const booked = (await linesOf("payments")).map(({ text }) => /^token (\d+): balance (\d+)$/.exec(text));
  const inOrder = booked.toSorted((a, b) => Number(a?.[1]) - Number(b?.[1]));
  assert.deepEqual(
    inOrder.map((one) => Number(one?.[2])),
    Array.from({ length: 15 }, (_unused, index) => (index + 1) * 10),
  );
});
