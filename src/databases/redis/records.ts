import type { LeaseRecord, PingAnswer, SessionRecord } from "../database.js";
import { StoreError } from "../../errors.js";

/** What the scripts answer, as records. Their headers say what each answer looks like. */

const LEASE = /^\d+ \w (\S+) (\d+) (\d+) (\d+) (\S+) ([^]*)$/;

export function parseLease(key: string, raw: string): LeaseRecord {
  const match = LEASE.exec(raw);
  if (!match || !raw.startsWith("1 ")) throw new StoreError("foreign-value", `${key}: the value is not a lease record`);
  const [, sessionId, leaseNumber, fencingToken, acquiredAtMs, era, trace] = match as unknown as string[];
  return {
    key,
    sessionId: sessionId!,
    leaseNumber: Number(leaseNumber),
    fencingToken: Number(fencingToken),
    acquiredAtMs: Number(acquiredAtMs),
    era: era!,
    trace: trace!,
  };
}

export function parsePing(reply: unknown): PingAnswer {
  const [status, era, state, nowMs, lostCounter, recoveryMs, openInMs] = reply as string[];
  return {
    status: status as PingAnswer["status"],
    era: era!,
    recovering: state === "recovering",
    nowMs: Number(nowMs),
    lostCounter: Number(lostCounter),
    recoveryMs: Number(recoveryMs),
    openInMs: Number(openInMs),
  };
}

export function parseSession(
  sessionId: string,
  reply: unknown,
): { session: SessionRecord; steadyMs: number; nowMs: number } {
  const [nowMs, gone, steadyMs, ...pairs] = reply as string[];
  const field = new Map<string, string>();
  for (let i = 0; i + 1 < pairs.length; i += 2) field.set(pairs[i]!, pairs[i + 1]!);
  const listens = field.get("channel") === "1";
  const session: SessionRecord = {
    sessionId,
    state: field.has("dead") ? "condemned" : field.has("era") ? "alive" : "absent",
    silentMs: Number(nowMs) - Number(field.get("last") ?? nowMs), // unknown of one that left or of a mere tombstone
    connectionGone: !listens || gone === "" ? undefined : gone === "1",
    sessionTtlMs: Number(field.get("ttl") ?? 0),
    disconnectGraceMs: Number(field.get("grace") ?? 0),
    host: field.get("host") ?? "",
    pid: Number(field.get("pid") ?? 0),
    labels: JSON.parse(field.get("labels") ?? "{}") as Record<string, string>,
    proofs: {
      bootId: field.get("bootId") ?? "",
      pidNamespace: field.get("pidNamespace") ?? "",
      timeNamespace: field.get("timeNamespace") ?? "",
      startTime: field.get("startTime") ?? "",
    },
  };
  return { session, steadyMs: Number(steadyMs), nowMs: Number(nowMs) };
}
