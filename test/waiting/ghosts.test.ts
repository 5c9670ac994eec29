import assert from "node:assert/strict";
import test from "node:test";
import type { AcquireAnswer, BatchAnswer } from "../../src/databases/database.js";
import { WaitingStage } from "../support/waiting-stage.js";

test("an answer that comes just after a grant's push does not take that grant for one that nobody knows", async () => {
  for (let hops = 0; hops < 24; hops++) {
    const stage = new WaitingStage();
    stage.queuedBehind("other.1");
    const waiter = stage.wait();
    await stage.pass(100);
    let say!: (answer: BatchAnswer<AcquireAnswer>) => void;
    stage.store.acquire = () => new Promise((resolve) => (say = resolve));
    const tried = stage.acquire();
    await stage.clock.settle();
    stage.push();
    for (let i = 0; i < hops; i++) await Promise.resolve();
    const holders = [stage.holder({ sessionId: "locker.1", leaseNumber: 1, fencingToken: 80 })];
    say({ status: "ok", answers: [{ status: "held", holders }] });
    while (waiter.is === "waits") await Promise.resolve();
    for (let i = 0; i < 6; i++) await Promise.resolve(); // as far as from there to the holdings
    stage.hold(waiter);
    await stage.pass(10);
    assert.deepEqual([tried.is, stage.released], ["busy", []], `${hops} promises later`);
  }
});
