// The register of two tiers, as PostgreSQL keeps it: which words change the store in use, and what a change does.

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { schemaNames } from "../../../src/databases/postgres/schema.js";
import { openContractPostgres, type ContractPostgres } from "../../support/contract-postgres.js";

const RECOVERY_MS = 700;
let store: ContractPostgres;

before(async () => {
  store = await openContractPostgres();
  await store.client.query(`SET search_path = "${schemaNames(store.schema).functions}", "${store.schema}"`);
});

beforeEach(async () => {
  await store.client.query("DELETE FROM tier; DELETE FROM sights; DELETE FROM namespace; DELETE FROM incarnation");
});

after(() => store[Symbol.asyncDispose]());

type Said = { epoch: number; servedMs: number; sees: boolean | null; countsMs: number; awayMs: number; backMs: number };

/** A voter's word, at once enough for a change unless `more` says otherwise; [epoch, previous, is away, served, …]. */
async function says(voter: string, more: Partial<Said> = {}) {
  const said = { epoch: await epoch(), servedMs: 0, sees: false, countsMs: 60_000, awayMs: 0, backMs: 0, ...more };
  const { rows } = await store.client.query<{ told: [number, number, boolean, number, number, number, number] }>(
    "SELECT see_tier($1, $2, $3, $4, $5, 0, $6, $7, $8, $9) AS told",
    [
      `fresh-${voter}`,
      voter,
      said.epoch,
      said.servedMs,
      said.sees,
      said.countsMs,
      RECOVERY_MS,
      said.awayMs,
      said.backMs,
    ],
  );
  const [now, previous, isAway, servedUntilMs, fence, , nowMs] = rows[0]!.told;
  return { epoch: now, previous, isAway, servedUntilMs, fence, nowMs };
}

async function epoch(): Promise<number> {
  const { rows } = await store.client.query<{ epoch: string }>("SELECT epoch FROM tier");
  return Number(rows[0]?.epoch ?? 0);
}

const namespace = async () => (await store.client.query("SELECT era, is_open, fence FROM namespace")).rows[0];

test("most of those who say what they see change the store in use, and no fewer", async () => {
  for (const voter of ["a", "b", "c"]) await says(voter, { sees: true });
  assert.equal((await says("a")).isAway, false, "one of three");
  assert.equal((await says("b")).isAway, true, "two of three");
});

test("half of them are not most", async () => {
  for (const voter of ["a", "b"]) await says(voter, { sees: true });
  assert.equal((await says("a")).isAway, false);
});

test("what somebody has not seen for a moment changes nothing, nor what was said too long ago", async () => {
  await says("a", { sees: true });
  assert.equal((await says("a", { awayMs: 60_000 })).isAway, false);
  await says("old", { sees: true, countsMs: -1 });
  assert.equal((await says("a")).isAway, true, "of two the one that counts");
});

test("who knows an older epoch changes nothing", async () => {
  const first = (await says("a", { sees: null })).epoch;
  assert.equal((await says("a", { epoch: first - 1 })).isAway, false);
  assert.equal(await epoch(), first);
});

test("a change begins an era in PostgreSQL, named after its epoch, in whose window nothing is granted", async () => {
  const before = await says("a", { sees: null });
  await store.client.query("UPDATE namespace SET is_open = true");
  const after = await says("a");
  assert.ok(after.epoch > before.epoch);
  assert.equal(after.previous, before.epoch);
  const { era, is_open: isOpen } = await namespace();
  assert.match(era, new RegExp(`^${after.epoch}p\\.`));
  assert.equal(isOpen, false);
});

test("tokens go on above all that the store before may have given, by its own clock", async () => {
  await says("a", { sees: null });
  await store.client.query("UPDATE tier SET ahead_ms = 60000");
  const { fence, nowMs } = await says("a");
  assert.ok(fence >= (nowMs - 1_000 + 60_000 + RECOVERY_MS) * 1_000, `${fence} at ${nowMs}`);
  assert.equal(Number((await namespace()).fence), fence);
});

test("until when the store before served anybody is known in the next epoch", async () => {
  const { epoch: first } = await says("a", { sees: true, servedMs: 0 });
  await says("a", { sees: true, servedMs: 111, epoch: first });
  await says("b", { sees: false, servedMs: 222, epoch: first, awayMs: 60_000 });
  assert.equal((await says("a")).servedUntilMs, 222);
});

test("an epoch that the register has forgotten is never used again", async () => {
  await says("a", { sees: null });
  const lived = Date.now() + 3_600_000;
  const { epoch: next, previous } = await says("a", { sees: null, epoch: lived });
  assert.deepEqual([next, previous], [lived + 1, lived]);
});

test("a register in another memory than its record was made in begins an epoch, whoever asks", async () => {
  const before = await says("a", { sees: true, servedMs: 7 });
  assert.equal((await says("a", { sees: true, servedMs: 7 })).epoch, before.epoch);
  await store.client.query("DELETE FROM incarnation"); // as a crash does
  const after = await says("new", { epoch: 0, sees: null });
  assert.deepEqual([after.epoch > before.epoch, after.previous, after.isAway], [true, before.epoch, false]);
  assert.equal((await says("a", { sees: true })).epoch, after.epoch);
});
