import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startRedis, type RedisServer } from "../support/redis-server.js";
import { seed } from "../support/wait.js";
import { runDeploy } from "./drill.js";
import { Judge, type Visit } from "./judge.js";

let redis: RedisServer;
before(async () => void (redis = await startRedis()));
after(() => redis[Symbol.asyncDispose]());

test("processes of the previous build and of this one work on one store, replaced one by one", async () => {
  const report = await runDeploy(redis.url, { ms: 15_000, seed: seed() });
  assert.deepEqual(report.wrong, []);
  assert.ok(report.killed > 0 && report.replaced > report.killed, JSON.stringify(report));
  assert.ok(report.crossings > 20, `keys changed versions ${report.crossings} times`);
  for (const version of ["previous", "current"]) {
    for (const what of ["exclusive", "both", "shared", "writer", "permits"]) {
      assert.ok(report.served[`${version} ${what}`]! > 0, `${version} ${what}: ${JSON.stringify(report.served)}`);
    }
  }
});

test("the judge refuses double holds, too many permits, and tokens that do not grow", async () => {
  await using judge = new Judge(redis.url);
  const says = async (visit: Partial<Visit>): Promise<string> =>
    judge.enter({ key: "judged", id: "j1/1", mode: "exclusive", units: 1, limit: 0, token: 1, version: "v", ...visit });
  assert.equal(await says({}), "");
  assert.match(await says({ id: "j2/1", token: 2 }), /double hold: j2\/1 exclusive beside j1\/1/);
  assert.match(await says({ id: "j2/2", token: 2, mode: "shared" }), /double hold/);
  for (const name of ["j1", "j2"]) await judge.forget(name);
  assert.match(await says({ id: "j3/1", token: 2 }), /token 2 after 2/);
  const permits = { key: "pool", mode: "permits", limit: 2, token: 0 } as const;
  assert.equal(await says({ ...permits, id: "j4/1", units: 2 }), "");
  assert.match(await says({ ...permits, id: "j4/2" }), /too many permits: 3 of 2/);
});
