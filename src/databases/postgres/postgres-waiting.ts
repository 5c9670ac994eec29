import type { AcquireAnswer, AcquireRequest, ReleaseAnswer, RevokeAnswer, StorePush } from "../database.js";
import { modeError, parsePush, type ModeLetter } from "../words.js";
import { escapeText, refusal, toLease, toLeases, type Element, type ToldLease } from "./records.js";

type Moded = Pick<AcquireRequest, "mode" | "permits">;

const letterOf = ({ mode = "exclusive" }: Moded): ModeLetter =>
  mode === "permits" ? "p" : mode === "shared" ? "s" : "x";

const isPermits = (r: Moded): boolean => r.mode === "permits";

/** Modes, units and limits of a batch, an array each. */
export function modeValues(batch: readonly Moded[]): [string[], number[], number[]] {
  const units = batch.map((r) => (isPermits(r) ? (r.permits?.take ?? 1) : 1));
  const limits = batch.map((r) => (isPermits(r) ? (r.permits?.limit ?? 1) : 0));
  return [batch.map(letterOf), units, limits];
}

/** What acquire.sql is told of the elements. Its header says what each array means. */
export function acquireValues(batch: readonly AcquireRequest[]): (string[] | number[])[] {
  const replaced = batch.map(({ replace = [] }) =>
    replace.map((one) => `${one.sessionId} ${one.fencingToken} ${one.markedAtMs ?? 0}`).join(" "),
  );
  const dead = batch.map(({ wait }) => (wait?.dead ?? []).map((one) => `${one.leaseId} ${one.sessionId}`).join(" "));
  return [
    batch.map((r) => escapeText(r.key)),
    batch.map((r) => r.leaseNumber),
    batch.map((r) => Math.ceil(r.lockTtlMs)),
    ...modeValues(batch),
    replaced,
    batch.map((r) => r.tokens ?? 1),
    batch.map((r) => Math.ceil(r.wait?.fitForMs ?? 0)),
    dead,
    batch.map((r) => escapeText(r.trace)),
  ];
}

export function acquireAnswer(r: AcquireRequest, [status, a, b, c, d]: Element): AcquireAnswer {
  switch (status) {
    case "granted":
      return { status, fencingToken: a as number, acquiredAtMs: b as number, lastToken: c as number };
    case "held":
      return { status, holders: toLeases(r.key, a) };
    case "queued": {
      const unfit = (d as [string, string][]).map(([leaseId, sessionId]) => ({ leaseId, sessionId }));
      return { status, ticket: a as number, isFirst: b as boolean, holders: toLeases(r.key, c), unfit };
    }
    case "recovering":
      return { status };
    case "misfit": {
      const [[mode], [take], [limit]] = modeValues([r]) as [[ModeLetter], [number], [number]];
      const known = { mode: a as ModeLetter, limit: b as number };
      const error = modeError(r.key, { mode, take, limit }, known);
      return { status: "error", error, holders: toLeases(r.key, c) };
    }
    default:
      return { status: "error", error: refusal(r.key, a) };
  }
}

export function releaseAnswer(key: string, [status, told]: Element): ReleaseAnswer {
  if (status === "other") return { status, lease: toLease(key, told as ToldLease) };
  if (status === "released" || status === "absent") return { status };
  return { status: "error", error: refusal(key, told) };
}

export function revokeAnswer(key: string, [status, a, b]: Element): RevokeAnswer {
  if (status === "asked") return { status, isHeard: a as boolean };
  if (status === "marked") return { status, markedAtMs: a as number, steadyMs: b as number };
  if (status === "absent") return { status };
  return { status: "error", error: refusal(key, a) };
}

/**
 * Puts what is heard in order with what was answered. A server may deliver a notification later than the answer to
 * what was asked after it; a grant from before the last "queued" is none that a wait may begin with. Its waiter is told
 * to ask instead.
 */
export class Pushes {
  readonly #tell: (push: StorePush) => void;
  /** When those that wait were last told so, by the store's clock. */
  readonly #queuedMs = new Map<number, number>();

  constructor(tell: (push: StorePush) => void) {
    this.#tell = tell;
  }

  hear(words: string): void {
    const push = parsePush(words);
    if (!push) return;
    const { leaseNumber } = push;
    const isLate = push.kind === "granted" && push.acquiredAtMs < (this.#queuedMs.get(leaseNumber) ?? 0);
    this.#tell(isLate ? { kind: "first", leaseNumber } : push);
  }

  answered(batch: readonly AcquireRequest[], elements: readonly Element[], nowMs: number): void {
    batch.forEach(({ leaseNumber }, i) => {
      if (elements[i]![0] === "queued") this.#queuedMs.set(leaseNumber, nowMs);
      else this.#queuedMs.delete(leaseNumber);
    });
  }

  forget(batch: readonly { leaseNumber: number }[]): void {
    for (const { leaseNumber } of batch) this.#queuedMs.delete(leaseNumber);
  }
}
