import type { HostProofs, Identity } from "../database.js";
import { StoreError } from "../../errors.js";
import { FORMAT, type DoorRow, type Kind, type Life, type NamespaceRow, type Records } from "./records.js";

/** What every rule needs, as prelude.lua for Redis: the store's clock, the namespace with its era, steadiness. */

/** How long a session's row outlives its last ping, ms. For garbage only: nothing is decided by it. */
export const KEEP_SESSION_MS = 3_600_000;
/** So far ahead of the clock the fence is noted for the time after the next start of the host, µs. */
const RESERVE_US = 1_000_000;
/** Of what has no end of its own. */
export const FOR_EVER = Number.MAX_SAFE_INTEGER;

/** What a backend knows of the host and of itself. */
export type StoreFacts = {
  /** This start of the host; "" when that cannot be told. */
  boot: string;
  /** The file or memory, which may be replaced by another. */
  file: string;
  timeNamespace: string;
  /** Nobody can have held anything when there is no namespace yet: this memory is new, and nobody had another. */
  isFresh: boolean;
  /** CLOCK_MONOTONIC of the host, µs: the same for all its processes, and it never steps. */
  hostUs(): number;
  wallMs(): number;
  freshId(): string;
  /** Whether those who wrote under another boot id have given no other signs of life for so long: see OtherBoot. */
  isSilent(signs: string, forMs: number): boolean;
  /** Whether that process is proven dead. */
  isGone(process: { pid: number; proofs: HostProofs }): boolean;
};

const EMPTY = {
  v: FORMAT,
  era: "",
  state: "recovering",
  fence: 0,
  reserve: 0,
  recoveryMs: 0,
  eraNumber: 0,
  openedNumber: 0,
} as const;

/** One atomic step: nothing else happens to the store meanwhile. */
export class Step {
  readonly records: Records;
  readonly nowUs: number;
  readonly nowMs: number;
  /** The last token. Whoever raises it saves it. */
  fence: number;
  /** How many pushes it has written: their order. */
  pushes = 0;
  /** What waiters are told last: who becomes the first hears of that before the grant that makes it so. */
  readonly grantsToTell: (() => void)[] = [];
  readonly #facts: StoreFacts;
  #ns: NamespaceRow;

  /**
   * Compares what the store was with what it is: a file that was replaced, restored or lost is noticed by the very step
   * that would grant or condemn. After another start of the host nobody lives who held anything: no window is needed
   * once it is certain that it was one.
   */
  constructor(records: Records, facts: StoreFacts) {
    const known = records.get("namespace", "");
    if (known && known.v > FORMAT) {
      throw new StoreError("newer-version", `a newer pulselock has written here (format ${known.v}); upgrade`);
    }
    const { boot, file, timeNamespace } = facts;
    const hostUs = facts.hostUs();
    const isSameBoot = known?.boot === boot;
    if (isSameBoot && known.timeNamespace !== timeNamespace) {
      throw new StoreError("unsupported", "the file is used in another time namespace, whose clock is another one");
    }
    const clockOffsetUs = isSameBoot ? known.clockOffsetUs : Math.round(facts.wallMs() * 1_000 - hostUs);
    this.records = records;
    this.#facts = facts;
    this.nowUs = hostUs + clockOffsetUs;
    this.nowMs = Math.floor(this.nowUs / 1_000);
    const isSame = isSameBoot && known.file === file;
    const fence = Math.max(known?.fence ?? 0, known?.reserve ?? 0);
    this.#ns = isSame ? known : { ...EMPTY, ...known, boot, file, timeNamespace, clockOffsetUs, fence };
    this.fence = this.#ns.fence;
    if (!isSame) this.#beginAnew(known);
  }

  get ns(): Omit<Readonly<NamespaceRow>, "fence"> {
    return this.#ns;
  }

  get isRecovering(): boolean {
    return this.#ns.state === "recovering";
  }

  /**
   * A token that the clock has passed already need not be written: every later one is larger by the clock alone, and
   * after another start of the host, when the clock may be set back, by the reserve.
   */
  saveFence(): void {
    const { fence, reserve = 0, clockOffsetUs } = this.#ns;
    if (this.fence <= fence) return;
    const isPassed = this.#facts.hostUs() + clockOffsetUs > this.fence;
    if (isPassed && this.fence <= reserve) return;
    this.#change({ fence: this.fence, reserve: Math.max(reserve, this.fence + RESERVE_US) });
  }

  /** The longest recovery window that anybody has asked for stays that of the namespace. */
  raiseRecovery(recoveryMs: number): void {
    if (recoveryMs > this.#ns.recoveryMs) this.#change({ recoveryMs });
  }

  beginEra(): void {
    const { eraNumber } = this.#ns;
    this.#change({ era: this.#facts.freshId(), eraNumber: eraNumber + 1, state: "recovering" });
  }

  /** From now on keys can be granted in this era. */
  closeWindow(): void {
    this.#change({ state: "open", openedNumber: this.#ns.eraNumber });
  }

  isGone(door: DoorRow): boolean {
    return this.#facts.isGone(door);
  }

  #change(change: Partial<NamespaceRow>): void {
    this.#ns = { ...this.#ns, ...change };
    this.records.put("namespace", "", "", this.#ns, FOR_EVER);
  }

  #beginAnew(known: NamespaceRow | undefined): void {
    const { boot, isFresh } = this.#facts;
    const isOtherBoot = known !== undefined && known.boot !== boot && boot !== "" && known.boot !== "";
    if (isOtherBoot) {
      this.#refuseTheLiving(known.recoveryMs);
      this.#forgetTheDead();
    }
    this.beginEra();
    if (isOtherBoot || (!known && isFresh)) this.closeWindow();
  }

  /** Nothing is written before: the living are not to notice who merely waits for their end. */
  #refuseTheLiving(recoveryMs: number): void {
    const sessions = this.records.scanAll("session").filter(({ row }) => row.life && !row.dead);
    if (sessions.length === 0) return; // all have said goodbye
    const signs = sessions.map(({ key, row }) => `${key} ${row.life?.lastMs}`).join();
    if (this.#facts.isSilent(signs, recoveryMs)) return;
    const told = "the file was used under another boot id, and is used here once that was silent for";
    const rule = "the host was started anew, or two sandboxes share the file that have a boot id each, which cannot be";
    throw new StoreError("unreachable", `${told} ${recoveryMs} ms: ${rule}`);
  }

  /** The host was started anew. What is kept stays: its time counts whoever ends meanwhile. */
  #forgetTheDead(): void {
    for (const kind of ["session", "waiter", "blocked", "door", "push", "lease"] as Kind[]) {
      for (const { key, sub, row } of this.records.scanAll(kind)) {
        if (!("state" in row && row.state === "kept")) this.records.delete(kind, key, sub);
      }
    }
  }
}

/**
 * Whether a session missed an era in which keys could be granted: its own may have gone to others since. Told by what
 * outlived the loss; where nothing did, nobody can tell.
 */
export function hasMissedEra({ ns }: Step, life: Life | undefined): boolean {
  return life !== undefined && life.eraNumber < ns.openedNumber;
}

export type Steadiness = { steadyMs: number; driftMs: number };

/**
 * For how long this session has been served without a gap, up to this very moment; 0 when it is not steady now. Also
 * how far the store's clock may have run ahead meanwhile without this session calling it a step, ms.
 */
export function steadyFor({ records, nowMs }: Step, sessionId: string, monoMs: number): Steadiness {
  const row = records.get("session", sessionId);
  if (!row?.life || row.dead) return { steadyMs: 0, driftMs: 0 };
  const { lastMs, pingIntervalMs, offsetMs, driftMs, steadySinceMs } = row.life;
  const gapMs = nowMs - lastMs;
  const drift = nowMs - monoMs - offsetMs;
  const isSteady = gapMs >= 0 && gapMs <= 2 * pingIntervalMs && Math.abs(drift) <= driftMs;
  return { steadyMs: isSteady ? nowMs - steadySinceMs : 0, driftMs };
}

/**
 * A contender with larger limits overlooks larger steps of the store's clock than the victim's margin allows for: by
 * so many ms its silence must be longer.
 */
export function overlookedMs(driftMs: number, victimDriftMs: number): number {
  return Math.max(0, driftMs - victimDriftMs);
}

/** Why a command of this session is not to be executed, or undefined. */
export function refusal({ records, ns }: Step, { sessionId, era }: Identity): "condemned" | "era" | undefined {
  const row = records.get("session", sessionId);
  if (!row?.life || row.dead) return "condemned";
  return row.life.era !== ns.era || era !== ns.era ? "era" : undefined;
}
