// A session says goodbye, and so gives every key away at once, only when no job runs under it any more.

import assert from "node:assert/strict";
import test from "node:test";
import type { Lease } from "../src/index.js";
import { LockerStage } from "./support/locker-stage.js";

/** A locker with one lease, and a job that does with it what `job` says. */
async function holding(job: (lease: Lease) => void) {
  const stage = new LockerStage();
  const locker = stage.locker();
  const acquiring = locker.acquire("key");
  await stage.clock.settle();
  stage.change("begun");
  await stage.clock.settle();
  const acquired = await acquiring;
  assert.ok("lease" in acquired);
  job(acquired.lease);
  const goodbyes = () => stage.posted.flatMap((message) => (message.type === "stop" ? [message.goodbye] : []));
  return { stage, locker, goodbyes };
}

const deaf = (): void => undefined;
const polite = (lease: Lease): void => lease.signal.addEventListener("abort", () => void lease.release());

test("close() says goodbye when every job has ended, and not while one runs on", async () => {
  for (const [job, said] of [
    [polite, true],
    [deaf, false],
  ] as const) {
    const { stage, locker, goodbyes } = await holding(job);
    void locker.close();
    await stage.clock.advance(60_000);
    assert.deepEqual(goodbyes(), [said]);
  }
});

test("drain() says goodbye when every job has ended; else the session stays, with its pings", async () => {
  for (const [job, said] of [
    [polite, [true]],
    [deaf, []],
  ] as const) {
    const { stage, locker, goodbyes } = await holding(job);
    void locker.drain();
    await stage.clock.advance(60_000);
    assert.deepEqual(goodbyes(), said);
  }
});
