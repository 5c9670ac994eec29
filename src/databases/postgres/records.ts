import type { LeaseAnswer, LeaseRecord, PingAnswer, SessionRecord, SessionSnapshot } from "../database.js";
import type { StoreError } from "../../errors.js";
import { toStoreError } from "./postgres-errors.js";

/** What the functions answer, as records. Their headers say what each answer looks like. */

/** A lease as tell_lease tells it. */
export type ToldLease = [
  session: string,
  number: number,
  token: number,
  atMs: number,
  era: string,
  mode: "x" | "s" | "p",
  units: number,
  isKept: boolean,
  trace: string,
];

export type Element = [status: string, ...rest: unknown[]];

const FORMAT = 1;
const MODES = { x: "exclusive", s: "shared", p: "permits" } as const;

/** A text of PostgreSQL holds no NUL, and is not to be taken for an escaped one. */
export function escapeText(text: string): string {
  return /[\\\0]/.test(text) ? text.replaceAll("\\", "\\\\").replaceAll("\0", "\\0") : text;
}

export function unescapeText(text: string): string {
  return text.includes("\\") ? text.replace(/\\([\\0])/g, (_, c: string) => (c === "0" ? "\0" : "\\")) : text;
}

export function toLease(key: string, told: ToldLease): LeaseRecord {
  const [sessionId, leaseNumber, fencingToken, acquiredAtMs, era, mode, units, isKept, trace] = told;
  const facts = { key, sessionId, leaseNumber, fencingToken, acquiredAtMs, era, trace: unescapeText(trace) };
  return { ...facts, mode: MODES[mode], units, isKept };
}

export function toLeases(key: string, told: unknown): LeaseRecord[] {
  return (told as ToldLease[]).map((one) => toLease(key, one));
}

export function leaseAnswer(key: string, [status, told]: Element): LeaseAnswer {
  if (status === "held") return { status };
  if (status === "lost") return { status, lease: told ? toLease(key, told as ToldLease) : undefined };
  return { status: "error", error: refusal(key, told) };
}

export function parsePing(reply: string | null): PingAnswer {
  const [status, era, recovering, nowMs, lostCounter, recoveryMs, openInMs, eraNumber] = JSON.parse(reply!) as [
    ...[status: PingAnswer["status"], era: string, recovering: boolean, nowMs: number, lostCounter: number],
    ...[recoveryMs: number, openInMs: number, eraNumber: number],
  ];
  return { status, era, eraNumber, recovering, nowMs, lostCounter, recoveryMs, openInMs };
}

type SessionRow = {
  v: number;
  era: string | null;
  dead_ms: number | null;
  last_ms: number | null;
  listens: boolean | null;
  ttl_ms: number | null;
  grace_ms: number | null;
  host: string | null;
  pid: number | null;
  labels: string | null;
  proofs: string[] | null;
};

export function parseSession(sessionId: string, reply: string | null): SessionSnapshot {
  const [nowMs, isGone, steadyMs, overlookedMs, found] = JSON.parse(reply!) as [
    ...[nowMs: number, isGone: boolean | null, steadyMs: number, overlookedMs: number, found: SessionRow | null],
  ];
  const row: Partial<SessionRow> = found ?? {};
  if ((row.v ?? 0) > FORMAT) throw refusal(sessionId, `PULSELOCK_NEWER session record has format ${row.v}`);
  const [bootId = "", pidNamespace = "", timeNamespace = "", startTime = ""] = (row.proofs ?? []).map(unescapeText);
  const session: SessionRecord = {
    sessionId,
    state: typeof row.dead_ms === "number" ? "condemned" : typeof row.era === "string" ? "alive" : "absent",
    silentMs: nowMs - (row.last_ms ?? nowMs), // unknown of one that left or of a mere tombstone
    connectionGone: row.listens ? isGone === true : undefined,
    sessionTtlMs: row.ttl_ms ?? 0,
    disconnectGraceMs: row.grace_ms ?? 0,
    host: unescapeText(row.host ?? ""),
    pid: row.pid ?? 0,
    labels: JSON.parse(unescapeText(row.labels ?? "{}")) as Record<string, string>,
    proofs: { bootId, pidNamespace, timeNamespace, startTime },
  };
  return { session, steadyMs, overlookedMs, nowMs };
}

/** What a function said in an element of its own, in words. */
export function refusal(name: string, words: unknown): StoreError {
  return toStoreError(new Error(String(words)), `PostgreSQL, ${JSON.stringify(name)}`);
}
