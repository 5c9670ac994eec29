import assert from "node:assert/strict";
import test from "node:test";
import { LIMITS, PingerStage, TRUST } from "../support/pinger-stage.js";

test("a session whose store fell silent comes back provisionally, and says when it was served last", async () => {
  const stage = await PingerStage.begun();
  await stage.pings(1);
  const servedMs = stage.store.answer().nowMs;
  await stage.clock.advance(LIMITS.pingIntervalMs); // asked, and not answered
  await stage.clock.advance(TRUST);
  Object.assign(stage.store, { era: "era2", recovering: true });
  await stage.answerPing(stage.store.answer("reenter"));
  const { request } = stage.connection.asked("begin");
  assert.deepEqual([request.sessionId, request.mode, request.era], ["locker.1", "provisional", "era2"]);
  const lived = { era: "era1", eraNumber: 1, servedMs, trustMs: TRUST, isSilent: true };
  assert.deepEqual(request.lived, lived);
});
