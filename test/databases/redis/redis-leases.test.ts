import assert from "node:assert/strict";
import test from "node:test";
import { ContractStage } from "../../contract/contract-stage.js";
import { openContractRedis } from "../../support/contract-redis.js";

/** A lease record to the scripts, whose patterns know bytes, and none to us: a no-break space is space here. */
const unreadable = (era: string): string => `1 x other\u00a0locker.1 1 2000000000000000 3 ${era} trace`;

test("a record that only the scripts can read is an error for its own key, and for no other of the batch", async () => {
  const store = await openContractRedis();
  await using stage = new ContractStage(store);
  const actor = await stage.begun();
  await store.client.set(`${store.prefix}l:odd`, unreadable(actor.era), "PX", 60_000);
  const common = { lockTtlMs: 60_000, trace: "", acquiredAtMs: 1, fencingToken: 1, lastToken: 1 };
  const batch = ["one", "odd", "two"].map((key, i) => ({
    ...common,
    mode: "exclusive" as const,
    key,
    leaseNumber: i + 1,
  }));
  const expected = {
    acquire: ["granted", "error", "granted"],
    renew: ["lost", "error", "lost"], // under another token
    reown: ["lost", "error", "lost"],
    reassert: ["lost", "error", "lost"],
    release: ["released", "error", "released"],
  };
  for (const [verb, statuses] of Object.entries(expected) as [keyof typeof expected, string[]][]) {
    const result = await actor.leases[verb](actor.identity, batch);
    assert.ok(result.status === "ok", verb);
    assert.deepEqual(
      result.answers.map(({ status }) => status),
      statuses,
      verb,
    );
    const odd = result.answers[1] as { error: Error & { code?: string } };
    assert.equal(odd.error.code, "foreign-value", verb);
    assert.match(odd.error.message, /"odd"/);
  }
  assert.equal(await store.client.get(`${store.prefix}l:odd`), unreadable(actor.era), "left as it was");
});
