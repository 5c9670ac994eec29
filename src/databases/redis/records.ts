import type { LeaseRecord, PingAnswer, SessionRecord, SessionSnapshot } from "../database.js";
import type { StoreError } from "../../errors.js";
import { toStoreError } from "./redis-errors.js";

/** What the scripts answer, as records. Their headers say what each answer looks like. */

/** The format of records that we write, as in prelude.lua. */
const FORMAT = 1;
/** Format 2 has leases that are kept, revoked by force, and one of several that hold a key together. */
const LEASE = /^(?:1 \w|2 ([krsp])) (\S+) (\d+) (\d+) (\d+) (\S+) ([^]*)$/;
/** What stands before the trace in format 2: units and state, or when it was revoked and how long its holder has. */
const MORE = { k: /^()()([^]*)$/, r: /^\d+ \d+ ()()([^]*)$/, s: /^(\d+) (\w) ([^]*)$/, p: /^(\d+) (\w) ([^]*)$/ };
const MODES = { k: "exclusive", r: "exclusive", s: "shared", p: "permits" } as const;

export function parseLease(key: string, raw: string): LeaseRecord {
  const format = /^(\d+ \w) /.exec(raw)?.[1];
  if (format && Number(format.split(" ")[0]) > FORMAT && !/^2 [krsp]$/.test(format)) {
    throw refusal(key, `PULSELOCK_NEWER lease record has format ${format}`);
  }
  const match = LEASE.exec(raw);
  const kind = match?.[1] as keyof typeof MORE | undefined;
  const more = kind ? MORE[kind].exec(match![7]!) : undefined;
  if (!match || (kind && !more)) throw refusal(key, "PULSELOCK_FOREIGN the value is not a lease record");
  const [, , sessionId, leaseNumber, fencingToken, acquiredAtMs, era, trace] = match as unknown as string[];
  return {
    key,
    sessionId: sessionId!,
    leaseNumber: Number(leaseNumber),
    fencingToken: Number(fencingToken),
    acquiredAtMs: Number(acquiredAtMs),
    era: era!,
    trace: more ? more[3]! : trace!,
    mode: kind ? MODES[kind] : "exclusive",
    units: Number(more?.[1] || 1),
    isKept: kind === "k" || more?.[2] === "k",
  };
}

export function parsePing(reply: unknown): PingAnswer {
  const [status, era, state, nowMs, lostCounter, recoveryMs, openInMs, eraNumber] = reply as string[];
  return {
    status: status as PingAnswer["status"],
    era: era!,
    recovering: state === "recovering",
    nowMs: Number(nowMs),
    lostCounter: Number(lostCounter),
    recoveryMs: Number(recoveryMs),
    openInMs: Number(openInMs),
    eraNumber: Number(eraNumber),
  };
}

export function parseSession(sessionId: string, reply: unknown): SessionSnapshot {
  const [nowMs, gone, steadyMs, overlookedMs, ...pairs] = reply as string[];
  const field = new Map<string, string>();
  for (let i = 0; i + 1 < pairs.length; i += 2) field.set(pairs[i]!, pairs[i + 1]!);
  const listens = field.get("channel") === "1";
  const format = field.get("v");
  if (Number(format) > FORMAT) throw refusal(sessionId, `PULSELOCK_NEWER session record has format ${format}`);
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
  return { session, steadyMs: Number(steadyMs), overlookedMs: Number(overlookedMs), nowMs: Number(nowMs) };
}

/** In the words that the scripts use, so that it means the same. */
function refusal(name: string, words: string): StoreError {
  return toStoreError(new Error(words), JSON.stringify(name));
}
