import assert from "node:assert/strict";
import { test } from "node:test";
import { startRedis } from "../support/redis-server.js";
import { faultsOf } from "./drill.js";
import { Judge, type Visit } from "./judge.js";
import { tryDeploys } from "./try-deploys.js";

tryDeploys(["redis", "sqlite"]);

test("a deploy in which the builds did not meet, or one of them served nobody, is no success", () => {
  const kinds = ["exclusive", "both", "shared", "writer", "permits"];
  const served = Object.fromEntries(
    kinds.flatMap((kind) => [`previous ${kind}`, `current ${kind}`].map((k) => [k, 1])),
  );
  const good = { replaced: 8, killed: 2, crossings: 21, served, wrong: [] };
  assert.deepEqual(faultsOf(good), []);
  assert.match(faultsOf({ ...good, crossings: 0 }).join(), /only 0 times: nothing was mixed/);
  assert.match(faultsOf({ ...good, killed: 0 }).join(), /0 were killed/);
  assert.deepEqual(faultsOf({ ...good, served: { ...served, "current both": 0 } }), [
    "no job was served: current both",
  ]);
  assert.deepEqual(faultsOf({ ...good, wrong: ["a double hold"] }), ["a double hold"]);
});

test("the judge refuses double holds, too many permits, and tokens that do not grow", async () => {
  await using redis = await startRedis();
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
