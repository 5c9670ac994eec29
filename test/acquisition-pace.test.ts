// However long a condition lasts that makes an acquire ask again, it never asks hot.

import assert from "node:assert/strict";
import test from "node:test";
import { StoreError } from "../src/errors.js";
import { AcquisitionStage } from "./support/acquisition-stage.js";
import { unreachable } from "./support/scripted-leases.js";

const SECONDS = 8; // less than acquireTimeoutMs, after which some of these are errors
const commands = ({ store }: AcquisitionStage): number =>
  store.commands.length + store.read.length + store.condemned.length;

/** What lasts, by what it is. Each would have been asked for as fast as the store answers, or nearly so. */
const conditions: Record<string, (stage: AcquisitionStage) => void> = {
  "the store names, as holder, the very lease that was to be replaced": (stage) => {
    stage.heldBy("dead.1");
    stage.store.session = { state: "condemned" };
  },
  "a dead holder cannot be condemned, for the store says each time that it lives": (stage) => {
    stage.heldBy("other.1");
    Object.assign(stage.store, { session: { silentMs: 60_000 }, steadyMs: 60_000 });
  },
  "a dead holder cannot be condemned, for the window of another era is open": (stage) => {
    stage.heldBy("other.1");
    Object.assign(stage.store, {
      session: { silentMs: 60_000 },
      steadyMs: 60_000,
      onCondemn: () => ({ status: "era" }),
    });
  },
  "the store answers, but has an error for whoever condemns": (stage) => {
    stage.heldBy("other.1");
    const onCondemn = (): never => {
      throw new StoreError("unreachable", "MISCONF");
    };
    Object.assign(stage.store, { session: { silentMs: 60_000 }, steadyMs: 60_000, onCondemn });
  },
  "the store answers, but has an error for whoever acquires": (stage) => {
    stage.store.answers.acquire = unreachable;
  },
  "the key is held by this locker's last session, and still being re-owned": (stage) => {
    stage.heldBy("locker.0", stage.lease({ sessionId: "locker.0" }).leaseNumber);
    stage.store.session = { state: "condemned" };
  },
  "a lease of this session that nobody knows comes back each time it was given back": (stage) => {
    stage.heldBy("locker.1", 55);
  },
  "the window is open, and the worker has not told of it": (stage) => {
    stage.store.answers.acquire = () => ({ status: "recovering" });
  },
  "each word of the worker brings another refusal": (stage) => {
    stage.store.refusals.acquire = "generation";
    const tell = (): void => stage.session.receive({ type: "trusted", recovering: false, recoveryMs: 2_500 });
    stage.clock.timer(2, function again() {
      tell();
      stage.clock.timer(2, again);
    });
  },
};

for (const [what, arrange] of Object.entries(conditions)) {
  test(`a waiter stays under 50 commands a second while ${what}`, async () => {
    const stage = new AcquisitionStage();
    stage.store.commandsMax = 50_000; // at a bad pace the test fails, instead of having no end
    arrange(stage);
    const outcome = stage.acquire({ waitMs: 60_000 });
    await stage.pass(1_000);
    const before = commands(stage);
    await stage.pass(SECONDS * 1_000);
    const aSecond = (commands(stage) - before) / SECONDS;
    assert.equal(outcome.is, "waits");
    assert.ok(aSecond > 2 && aSecond <= 50, `${aSecond} commands a second`);
    assert.ok(before <= 80, `${before} commands in the first second`);
  });
}

test("what changes a few times is asked for without any pause", async () => {
  const stage = new AcquisitionStage();
  let takeovers = 0;
  stage.store.session = { state: "condemned" };
  stage.heldBy("dead.0");
  stage.store.onRead = () => {
    takeovers += 1;
    if (takeovers < 5) stage.heldBy(`dead.${takeovers}`, takeovers);
    else stage.free();
  };
  const outcome = stage.acquire();
  await stage.clock.settle();
  assert.deepEqual([outcome.is, takeovers], ["granted", 5]);
});

test("a renewal that failed is tried again after 100 ms, also when something else is due before", async () => {
  const stage = new AcquisitionStage();
  const lease = stage.lease({ lockTtlMs: 10_000 });
  stage.lease({ lockTtlMs: 2_050 }); // its end is due 20 ms after a try that failed, and looked at together with it
  stage.store.refusals.renew = "generation";
  await stage.clock.advance(1);
  await lease.heartbeat();
  await stage.pass(2_060);
  const before = stage.store.sent("renew").length;
  await stage.pass(500);
  const tries = stage.store.sent("renew").length - before;
  assert.ok(before > 0 && tries >= 4, `${tries} tries in half a second`);
});

test("a renewal that fails at once is tried again every 100 ms, however often its job beats", async () => {
  const stage = new AcquisitionStage();
  const lease = stage.lease({ lockTtlMs: 10_000 });
  stage.store.refusals.renew = "generation";
  await stage.pass(4_500);
  const before = stage.store.sent("renew").length;
  for (let i = 0; i < 1_000; i++) {
    stage.trust();
    await lease.heartbeat();
    await stage.clock.advance(1);
  }
  const sent = stage.store.sent("renew").length - before;
  assert.ok(sent >= 8 && sent <= 11, `${sent} renewals in a second`);
});
