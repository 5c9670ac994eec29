// The simulated store against a real one: the same calls, the same answers, the same data after each.

import assert from "node:assert/strict";
import { test } from "node:test";
import { startRedis } from "../../support/redis-server.js";
import { mulberry32, seed } from "../../support/wait.js";
import { RandomCalls } from "./random-calls.js";
import { Twins } from "./twins.js";

/** Soaks ask for more: STEPS=200000 npm test -- sim-redis. */
const stepsWanted = Number(process.env["STEPS"] ?? 2_000);
/** Compared together; one server's life is long enough for windows to open and close. */
const [stepsPerFlush, stepsPerLife] = [40, 1_000];

/** A run in which nothing was ever granted or condemned would compare refusals only, so it goes on for longer. */
const OUTCOMES = ["granted", "held", "queued", "condemned", "recovering", "released", "OOM", "WRONGTYPE", "ERR"];

test("the simulated store answers every script as a real one does, and holds the same after it", async () => {
  await using server = await startRedis();
  const [client, ears] = [server.client(), server.client()];
  const random = mulberry32(seed());
  const runId = /run_id:(\w+)/.exec(await client.info("server"))![1]!;
  const outcomes = new Map<string, number>();
  let messages = 0;
  const isWorthless = (): boolean => OUTCOMES.some((outcome) => !outcomes.has(outcome));
  for (let done = 0; done < stepsWanted || (isWorthless() && done < 10 * stepsWanted);) {
    await client.config("SET", "maxmemory", 0);
    await client.flushall();
    const twins = new Twins(client, ears, runId);
    twins.onOutcome = (outcome) => void outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    const calls = new RandomCalls(twins, random);
    while (twins.steps < stepsPerLife) {
      const until = twins.steps + stepsPerFlush;
      while (twins.steps < until) calls.next();
      await calls.listen();
    }
    await twins.flush();
    messages += await twins.compareHeard();
    done += twins.steps;
  }
  if (process.env["STEPS"]) console.log(new Map([...outcomes].sort()));
  for (const outcome of OUTCOMES) assert.ok(outcomes.has(outcome), `${outcome} came up`);
  assert.ok(messages > 0, "subscribers were told something");
});
