import assert from "node:assert/strict";
import test from "node:test";
import type { ConnectionEvents, ScriptConnection } from "../../../src/databases/redis/connection.js";
import { RedisKeys } from "../../../src/databases/redis/keys.js";
import { RedisLeases } from "../../../src/databases/redis/redis-leases.js";
import { StoreError } from "../../../src/errors.js";
import { FakeClock } from "../../support/fake-clock.js";

test("the main thread's connection is opened again within 250 ms of its break, drawn by chance", async () => {
  const clock = new FakeClock();
  const opened: { atMs: number; events: ConnectionEvents }[] = [];
  const leases = new RedisLeases(
    (_clock, events) => {
      opened.push({ atMs: clock.monoMs(), events });
      const unused = () => Promise.reject(new Error("nothing is asked for here"));
      const connection = { ready: Promise.resolve(), close: () => undefined };
      return {
        ...connection,
        run: unused,
        get: unused,
        info: unused,
        subscribe: unused,
        unsubscribe: unused,
      } satisfies ScriptConnection;
    },
    new RedisKeys("t:"),
    { clock },
  );
  const pauses = new Set<number>();
  for (let breaks = 1; breaks <= 200; breaks++) {
    const brokeMs = clock.monoMs();
    opened.at(-1)!.events.onClose(new StoreError("unreachable", "cut"));
    await clock.advance(250);
    assert.equal(opened.length, breaks + 1);
    pauses.add(Math.round(opened.at(-1)!.atMs - brokeMs));
  }
  assert.ok(pauses.size > 50, `${pauses.size} different pauses in 200 draws`);
  leases.close();
});
