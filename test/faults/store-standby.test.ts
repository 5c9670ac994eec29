// A standby of PostgreSQL is promoted: one that lags lacks the last grants, one that has to confirm lacks none.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eraOn, memberOf, Pair, tokenOn } from "./fixtures/standby.js";
import { Fleet } from "./fixtures/store-fleet.js";
import { assertAllGoOn, startRing, untilTried } from "./fixtures/store-ring.js";

const deadlineMs = 30_000;

describe("a promotion", { concurrency: 2 }, () => {
  test("of a standby that lacks the last grants takes nothing from the living, and tokens grow", async (t) => {
    await using pair = await Pair.start();
    await using fleet = await Fleet.start();
    const setup = memberOf(pair.name);
    const ring = await startRing(fleet, [setup, setup, setup]);
    const [holder, contender] = [ring[0]!.member, ring[1]!.member];
    const dead = await fleet.add(setup);
    const known = await dead.run("known");
    await pair.untilCaughtUp();
    pair.link.blackhole({ down: true });
    const late = await holder.run("late");
    const lost = await dead.run("lost");
    const era = await eraOn(pair.primary);
    for (const key of ["late", "lost"])
      assert.equal(await tokenOn(pair.standby, key), undefined, `${key} is not there`);
    for (const key of ["late", "lost", "known"]) await contender.contend(key);

    const atMs = performance.now();
    await Promise.all([pair.primary.kill(), fleet.kill(dead)]);
    await pair.failOver();
    const promotedMs = performance.now() - atMs;
    await Promise.all(ring.map(({ member, own }) => member.untilBeats(own, deadlineMs)));
    const beatsMs = performance.now() - atMs;
    for (const [key, token] of [
      ["lost", lost],
      ["known", known],
    ] as const) {
      const { tokens } = await contender.untilGranted(key, deadlineMs);
      assert.ok(tokens[0]! > token, `${key}: ${tokens[0]} after ${token}`);
      await contender.stop(key);
    }
    const freeMs = performance.now() - atMs;
    await untilTried(contender, "late", deadlineMs);
    assert.deepEqual((await contender.stop("late")).tokens, [], "grants of a key that is held");
    const { ended, tokens } = await holder.stop("late");
    assert.deepEqual([ended, tokens], ["stopped", [late]], "said again, under the same token");
    assert.deepEqual(await eraOn(pair.standby), { number: era.number + 1, timeline: "00000002" });
    await assertAllGoOn(fleet, ring, deadlineMs);
    const [promoted, beats, free] = [promotedMs, beatsMs, freeMs].map(Math.round);
    t.diagnostic(`promoted after ${promoted} ms, heartbeats after ${beats} ms, a dead one's keys after ${free} ms`);
  });

  test("beside a primary that goes on leaves two worlds, between which only the fencing token decides", async () => {
    await using pair = await Pair.start();
    await using fleet = await Fleet.start();
    const moved = await fleet.add(memberOf(pair.name));
    const stayed = await fleet.add(memberOf(pair.primary)); // by the old primary's own address
    await moved.run("warm");
    await pair.untilCaughtUp();
    await pair.failOver();
    const older = await stayed.run("key");
    const newer = await moved.run("key");
    assert.ok(newer > older, "both believe, and the later grant has the larger token");
    await stayed.untilBeats("key", deadlineMs);
    const { refusals } = await moved.untilBeats("key", deadlineMs);
    assert.equal(refusals, 0);
    assert.ok((await stayed.stop("key")).refusals > 0, "the guarded resource takes no smaller token any more");
    await moved.stop("key");
    await moved.stop("warm");
    await fleet.close();
  });

  test("of a standby that must confirm loses no grant that anybody was told of", async (t) => {
    await using pair = await Pair.start();
    await using fleet = await Fleet.start();
    const setup = memberOf(pair.name);
    const ring = await startRing(fleet, [setup, setup, setup]);
    const [holder] = [ring[0]!.member];
    await pair.confirm();
    const told = await holder.run("told");
    assert.equal(await tokenOn(pair.standby, "told"), told, "by then it is there");
    pair.link.blackhole({ down: true });
    const granted = holder.run("unconfirmed");
    await Promise.all(ring.map(({ member, own }) => member.untilBeats(own, deadlineMs)));
    const state = await Promise.race([granted.then(() => "granted"), ring[0]!.member.report().then(() => "waits")]);
    assert.equal(state, "waits", "nobody is told of what the standby has not confirmed; jobs go on");

    const atMs = performance.now();
    await pair.primary.kill();
    await pair.failOver();
    assert.equal(await tokenOn(pair.standby, "told"), told);
    assert.ok((await granted) > told);
    t.diagnostic(`what waited was granted ${Math.round(performance.now() - atMs)} ms after the primary's death`);
    for (const key of ["told", "unconfirmed"]) assert.equal((await holder.stop(key)).tokens.length, 1, key);
    await assertAllGoOn(fleet, ring, deadlineMs);
  });
});
