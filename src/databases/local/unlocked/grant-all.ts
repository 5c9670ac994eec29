import type { AcquireAnswer, AcquireRequest, BatchAnswer, Identity } from "../../database.js";
import * as holders from "../holders.js";
import { takeBlock } from "../queue.js";
import { leaseIdOf } from "../records.js";
import { refusal, type Step } from "../step.js";

/**
 * Grants whatever is asked for, beside whatever holds the key. All leases lie as shared ones, which any number can be,
 * but each with a token of its own (permits without, as ever): nobody that compares tokens sees two the same.
 */
export function grantAll(step: Step, identity: Identity, batch: readonly AcquireRequest[]): BatchAnswer<AcquireAnswer> {
  const refused = refusal(step, identity);
  if (refused) return { status: refused };
  const answers = batch.map((request) => grantOne(step, identity, request));
  step.saveFence();
  return { status: "ok", answers };
}

function grantOne(step: Step, { lockerId, sessionId }: Identity, request: AcquireRequest): AcquireAnswer {
  const { key, leaseNumber, lockTtlMs, trace, mode, replace = [] } = request;
  const leaseId = leaseIdOf(lockerId, leaseNumber);
  let held = holders.current(step, key);
  const own = holders.findLease(held, leaseId);
  for (const lease of held?.leases ?? []) {
    // Their holders have had their time by now, and nobody follows them who could be harmed.
    const isNamed = replace.some((one) => one.sessionId === lease.sessionId && one.fencingToken === lease.token);
    if (held && isNamed && lease.state === "revoked") held = holders.removeLease(step, held, lease.leaseId);
  }
  const token = own?.token ?? (mode === "permits" ? 0 : takeBlock(step, 1)[0]);
  const atMs = own?.atMs ?? step.nowMs;
  const facts = {
    leaseId,
    sessionId,
    mode: "shared",
    token,
    atMs,
    era: step.ns.era,
    units: 1,
    limit: 0,
    trace,
  } as const;
  holders.putLease(step, key, held, holders.freshLease(facts, step.nowMs + lockTtlMs));
  return { status: "granted", fencingToken: token, lastToken: token, acquiredAtMs: atMs };
}
