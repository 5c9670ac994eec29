// What runs at the same time, and what stands between: a hand in the tables holds a lock, and lets go.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "pg";
import { schemaNames } from "../../../src/databases/postgres/schema.js";
import { ContractStage, type Actor } from "../../contract/contract-stage.js";
import { openContractPostgres, type ContractPostgres } from "../../support/contract-postgres.js";
import { openClient } from "../../support/postgres-server.js";
import { waitUntil } from "../../support/wait.js";

const deadlineMs = 10_000;

/** Another client that calls our functions by their names, and one session that has been granted a key. */
async function withHand(act: (hand: Client, actor: Actor, store: ContractPostgres) => Promise<void>): Promise<void> {
  const store = await openContractPostgres();
  await using stage = new ContractStage(store);
  const actor = await stage.begun();
  await actor.take("known");
  const hand = await openClient(store.url);
  try {
    await hand.query(`SET search_path = "${schemaNames(store.schema).functions}", "${store.schema}"`);
    await act(hand, actor, store);
  } finally {
    await hand.end();
  }
}

/** What is asked must wait for the hand, which holds locks until it commits. */
async function waitsFor<T>(hand: Client, { client }: ContractPostgres, verb: string, asked: Promise<T>): Promise<T> {
  let isAnswered = false;
  const settle = (): void => void (isAnswered = true);
  asked.then(settle, settle);
  const text = "SELECT FROM pg_stat_activity WHERE wait_event = 'advisory' AND query ~ $1";
  const waits = async () => ((await client.query(text, [`"?${verb}"?\\(`])).rowCount ?? 0) > 0;
  await waitUntil(async () => isAnswered || (await waits()), true, { deadlineMs, what: `whether ${verb} waits` });
  assert.equal(isAnswered, false, `${verb} did not wait`);
  await hand.query("COMMIT");
  return asked;
}

test("a grant waits for the end of its era, and is none then", () =>
  withHand(async (hand, actor, store) => {
    await hand.query("BEGIN");
    await hand.query("SELECT pg_advisory_xact_lock(lock_id('n', ''))");
    await hand.query("SELECT begin_era(n, n.run, 'next') FROM namespace AS n");
    const answer = await waitsFor(hand, store, "acquire", actor.acquire("key"));
    assert.deepEqual(answer, { status: "era" });
  }));

test("a statement that meets another memory of the server is asked again, and begins the era itself", () =>
  withHand(async (hand, actor, store) => {
    await hand.query("BEGIN");
    await hand.query("SELECT pg_advisory_xact_lock(lock_id('n', ''))");
    await hand.query("UPDATE namespace SET run = 'another'");
    const answer = await waitsFor(hand, store, "acquire", actor.acquire("key"));
    assert.deepEqual(answer, { status: "era" });
    assert.notEqual((await actor.ping()).era, actor.era);
  }));

test("a grant waits for the end of its session, and is none then", () =>
  withHand(async (hand, actor, store) => {
    await hand.query("BEGIN");
    await hand.query("SELECT pg_advisory_xact_lock(lock_id('s', $1))", [actor.sessionId]);
    await hand.query("UPDATE sessions SET dead_ms = last_ms WHERE id = $1", [actor.sessionId]);
    const answer = await waitsFor(hand, store, "acquire", actor.acquire("key"));
    assert.deepEqual(answer, { status: "condemned" });
    assert.equal(await actor.readLease("key"), undefined);
  }));

const RELEASE = "SELECT release('fresh', 1, 2, $1, $2, ARRAY[$3], ARRAY[7], ARRAY[0]) AS answer";

test("what a new connection asks for comes after all that the old one had under way", () =>
  withHand(async (hand, actor, store) => {
    const { rows } = await hand.query<{ name: string }>(
      "SELECT name FROM unnest(ARRAY['one', 'two']) AS name ORDER BY lock_id('k', name)",
    );
    const [first, last] = rows.map(({ name }) => name) as [string, string];
    await hand.query("BEGIN");
    await hand.query("SELECT lock_keys(ARRAY[$1])", [first]);
    const batch = [first, last].map((key, i) => ({ key, leaseNumber: 6 + i, lockTtlMs: 60_000, trace: "" }));
    const acquired = actor.leases.acquire(actor.identity, batch);
    const isUnderWay = async () =>
      (await store.client.query("SELECT FROM pg_stat_activity WHERE wait_event = 'advisory'")).rowCount;
    await waitUntil(isUnderWay, 1, { deadlineMs, what: "who waits" });
    const other = await openClient(store.url);
    await other.query(`SET search_path = "${schemaNames(store.schema).functions}", "${store.schema}"`);
    const released = other.query(RELEASE, [actor.sessionId, actor.lockerId, last]);
    const { rows: answers } = await waitsFor(hand, store, "release", released);
    assert.equal((await acquired).status, "ok");
    assert.deepEqual(answers[0].answer[2], [["released"]], "what was granted was given back");
    assert.equal(await actor.readLease(last), undefined);
    await other.end();
  }));

test("what an old connection delivers is refused once the next was heard", () =>
  withHand(async (hand, actor) => {
    await hand.query(RELEASE, [actor.sessionId, actor.lockerId, "key"]);
    assert.deepEqual(await actor.acquire("key", { leaseNumber: 7 }), { status: "generation" });
    assert.equal(await actor.readLease("key"), undefined);
  }));

test("while the clock is behind the fence tokens are taken from that one, for all keys", () =>
  withHand(async (hand, actor) => {
    const ahead = (await actor.take("before", { leaseNumber: 2 })) + 3_600_000_000;
    await hand.query("UPDATE namespace SET fence = $1", [ahead]);
    const tokens = [await actor.take("one", { leaseNumber: 3 }), await actor.take("two", { leaseNumber: 4 })];
    assert.ok(tokens[0]! > ahead && tokens[1]! > tokens[0]!, tokens.join(" "));
    await hand.query("DELETE FROM keys WHERE key = 'two'"); // as after a loss that left the namespace
    assert.ok((await actor.take("two", { leaseNumber: 5 })) > tokens[1]!);
  }));
