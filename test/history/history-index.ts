// A history in order, by key and by attempt: made once, read by every rule.

import type { HistoryEvent, LeaseMode, PermitsTaken } from "./history.js";

export type Of<Kind extends HistoryEvent["kind"]> = Extract<HistoryEvent, { kind: Kind }>;

/** One acquire from its call to what became of it. */
export type Attempt = {
  readonly id: string;
  readonly key: string;
  readonly process: string;
  calledMs: number | undefined;
  /** It queues when the key is taken. */
  waits: boolean;
  /** When it ended in any way. */
  endedMs: number;
  busyWith: number | undefined;
  failed: Of<"acquire-failed"> | undefined;
  grant: Grant | undefined;
};

export type Grant = {
  /** Process and attempt: a token that was given twice does not make two grants one. */
  readonly id: string;
  readonly key: string;
  readonly process: string;
  /** Equal for all shared leases of one period; 0 of permits. */
  readonly token: number;
  readonly mode: LeaseMode;
  readonly permits: PermitsTaken | undefined;
  /** Leases that may be held beside each other have the same. */
  readonly party: string;
  readonly acquiredMs: number;
  readonly calledMs: number;
  releaseCalledMs: number;
  /** The package said, when it was released, that it was held until then. */
  heldToTheEnd: boolean;
  /** When its holder was first told of the loss, by the signal or by a check. */
  lostMs: number;
  lostCode: string | undefined;
};

export type OfKey = {
  readonly key: string;
  readonly grants: Grant[];
  readonly attempts: Attempt[];
  readonly yes: Of<"check">[];
  readonly writes: Of<"write">[];
};

/** A fault as it happened; one that never ended lasts for ever. */
export type FaultSpan = {
  readonly fault: string;
  readonly target: string;
  readonly fromMs: number;
  readonly toMs: number;
};

export type HistoryIndex = {
  readonly events: readonly HistoryEvent[];
  readonly keys: ReadonlyMap<string, OfKey>;
  readonly faults: readonly FaultSpan[];
  /** When a process was killed or had closed. */
  readonly endOf: (process: string) => number;
  readonly endMs: number;
};

export function idOf(event: { readonly key: string; readonly process: string; readonly attempt: number }): string {
  return `${event.process}/${event.attempt}/${event.key}`;
}

export function indexHistory(unordered: readonly HistoryEvent[]): HistoryIndex {
  // Stable: what one process wrote in one instant stays in its order.
  const events = unordered.toSorted((a, b) => a.atMs - b.atMs);
  const builder = new Builder();
  for (const event of events) builder.add(event);
  const endMs = events.reduce((latest, { atMs }) => Math.max(latest, atMs), 0);
  const endOf = (process: string): number => builder.ends.get(process) ?? Infinity;
  for (const { attempts } of builder.keys.values()) {
    for (const attempt of attempts) attempt.endedMs = Math.min(attempt.endedMs, endOf(attempt.process));
  }
  return { events, keys: builder.keys, faults: faultSpans(events), endOf, endMs };
}

class Builder {
  readonly keys = new Map<string, OfKey>();
  readonly ends = new Map<string, number>();
  readonly #attempts = new Map<string, Attempt>();

  add(event: HistoryEvent): void {
    if ("key" in event) return this.#addOfAttempt(event);
    if (event.kind !== "killed" && event.kind !== "closed") return;
    this.ends.set(event.process, Math.min(this.ends.get(event.process) ?? Infinity, event.atMs));
  }

  #addOfAttempt(event: Extract<HistoryEvent, { key: string }>): void {
    const attempt = this.#attempt(event);
    const { grant } = attempt;
    if (event.kind === "acquire-called") [attempt.calledMs, attempt.waits] = [event.atMs, event.waits ?? false];
    else if (event.kind === "acquired") this.#addGrant(attempt, event);
    else if (event.kind === "busy") [attempt.busyWith, attempt.endedMs] = [event.holderToken, event.atMs];
    else if (event.kind === "acquire-failed") [attempt.failed, attempt.endedMs] = [event, event.atMs];
    else if (event.kind === "write") this.#key(event.key).writes.push(event);
    else if (event.kind === "check" && event.answer === "yes") this.#key(event.key).yes.push(event);
    else if (!grant) return;
    else if (event.kind === "release-called") grant.releaseCalledMs = Math.min(grant.releaseCalledMs, event.atMs);
    else if (event.kind === "released") addRelease(grant, event);
    else if (event.kind === "aborted") addLoss(grant, event.atMs, event.code);
    else if (event.kind === "check" && event.answer === "lost") addLoss(grant, event.afterMs, undefined);
  }

  #addGrant(attempt: Attempt, { token, atMs, mode = "exclusive", permits }: Of<"acquired">): void {
    const { id, key, process, calledMs = -Infinity } = attempt;
    const party = mode === "exclusive" ? id : mode === "shared" ? `${mode} ${token}` : mode;
    const open = { releaseCalledMs: Infinity, heldToTheEnd: false, lostMs: Infinity, lostCode: undefined };
    attempt.grant = { id, key, process, token, mode, permits, party, acquiredMs: atMs, calledMs, ...open };
    attempt.endedMs = Math.min(attempt.endedMs, atMs);
    this.#key(key).grants.push(attempt.grant);
  }

  #attempt(event: { key: string; process: string; attempt: number }): Attempt {
    const id = idOf(event);
    const known = this.#attempts.get(id);
    if (known) return known;
    const { key, process } = event;
    const open = {
      calledMs: undefined,
      waits: false,
      endedMs: Infinity,
      busyWith: undefined,
      failed: undefined,
      grant: undefined,
    };
    const attempt: Attempt = { id, key, process, ...open };
    this.#attempts.set(id, attempt);
    this.#key(key).attempts.push(attempt);
    return attempt;
  }

  #key(key: string): OfKey {
    const known = this.keys.get(key);
    if (known) return known;
    const made: OfKey = { key, grants: [], attempts: [], yes: [], writes: [] };
    this.keys.set(key, made);
    return made;
  }
}

function addRelease(grant: Grant, { atMs, heldToTheEnd }: Of<"released">): void {
  grant.releaseCalledMs = Math.min(grant.releaseCalledMs, atMs);
  grant.heldToTheEnd = heldToTheEnd;
}

function addLoss(grant: Grant, atMs: number, code: string | undefined): void {
  grant.lostCode ??= code;
  grant.lostMs = Math.min(grant.lostMs, atMs);
}

/** Begins and ends of the same fault on the same target follow one another in their order. */
function faultSpans(events: readonly HistoryEvent[]): FaultSpan[] {
  const spans: FaultSpan[] = [];
  const open = new Map<string, number[]>();
  for (const event of events) {
    if (event.kind !== "fault") continue;
    const { fault, target, atMs } = event;
    const name = `${fault} ${target}`;
    const begun = open.get(name) ?? [];
    open.set(name, begun);
    if (event.begins) begun.push(spans.push({ fault, target, fromMs: atMs, toMs: Infinity }) - 1);
    else {
      const at = begun.shift() ?? spans.length;
      spans[at] = { fault, target, fromMs: spans[at]?.fromMs ?? atMs, toMs: atMs };
    }
  }
  return spans;
}
