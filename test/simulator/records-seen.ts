// The store's records as the oracle reads them: from what is written down about them (docs/adr), not with the package's
// own code, which it is to judge.

export type Stored = string | ReadonlyMap<string, string> | undefined;

export type ModeSeen = "exclusive" | "shared" | "permits";

export type HolderSeen = {
  readonly leaseId: string;
  readonly sessionId: string;
  /** 0 of permits. */
  readonly token: number;
  readonly era: string;
  readonly mode: ModeSeen;
  readonly units: number;
  /** How many units may be out at once; 1 of all that are no permits. */
  readonly limit: number;
  /** When it ends without another renewal, by the store's clock, where the record says so. */
  readonly untilMs: number;
  /** Its job has ended, and the key is to stay taken for a while. */
  readonly isKept: boolean;
  /** It was revoked by force, and waits to be taken. */
  readonly isRevoked: boolean;
};

export type EntrySeen = {
  readonly leaseId: string;
  readonly sessionId: string;
  readonly era: string;
  readonly mode: ModeSeen;
  readonly fitUntilMs: number;
  readonly units: number;
  /** Empty: it cannot be told. */
  readonly channel: string;
};

const MODES: Readonly<Record<string, ModeSeen>> = { x: "exclusive", s: "shared", p: "permits" };

/** The locker of a session or lease id. */
export function lockerOf(id: string): string {
  return id.slice(0, Math.max(id.lastIndexOf("."), id.lastIndexOf("#")));
}

/** All that the record of a key names, whatever era it is of. */
export function holdersIn(record: Stored): HolderSeen[] {
  if (record === undefined) return [];
  if (typeof record === "string") {
    const [, form, sessionId = "", number = "", token = "", , era = ""] = record.split(" ");
    const one = { mode: "exclusive", units: 1, limit: 1, untilMs: Infinity } as const;
    const state = { isKept: form === "k", isRevoked: form === "r" };
    return [{ ...one, ...state, leaseId: `${lockerOf(sessionId)}#${number}`, sessionId, token: Number(token), era }];
  }
  const mode = MODES[record.get("mode") ?? ""] ?? "shared";
  const [era, token, limit] = [record.get("era") ?? "", Number(record.get("token") ?? 0), record.get("limit") ?? "1"];
  return [...record].flatMap(([leaseId, text]) => {
    if (!leaseId.includes("#")) return [];
    const [form, sessionId = "", until, , units] = text.split(" ");
    const own = {
      leaseId,
      isKept: form === "k",
      isRevoked: form === "r",
      sessionId,
      units: Number(units),
      untilMs: Number(until),
    };
    return [{ ...own, mode, era, token: mode === "permits" ? 0 : token, limit: Number(limit) }];
  });
}

const ENTRY = /^\d+ (\w) (\S+) (\S+) \d+ (\S+) (\d+) \d+ (\d+)\S* \d+ (\d+) ([^]*)$/;

/** In the order of their numbers. */
export function entriesIn(record: Stored): EntrySeen[] {
  if (record === undefined || typeof record === "string") return [];
  const numbered = [...record].filter(([field]) => /^\d+$/.test(field)).sort(([a], [b]) => Number(a) - Number(b));
  return numbered.map(([, text]) => {
    const match = ENTRY.exec(text);
    if (!match) throw new Error(`this is no entry of a queue as the oracle knows them: ${text}`);
    const [, mode, leaseId, sessionId, era, fitUntil, units, length, texts] = match as unknown as string[];
    const channel = texts!.slice(0, Number(length));
    const ids = { leaseId: leaseId!, sessionId: sessionId!, era: era!, channel };
    return { ...ids, mode: MODES[mode!]!, fitUntilMs: Number(fitUntil), units: Number(units) };
  });
}
