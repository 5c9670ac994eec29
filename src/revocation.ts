import { checkNames, checkDuration } from "./options.js";
import { wait } from "./clock.js";
import type { Clock } from "./clock.js";
import type { LeaseRecord } from "./databases/database.js";
import type { Engine } from "./engine.js";
import { StoreError } from "./errors.js";

export type RevokeOptions = {
  /** How long to wait until the key was given back, ms. Default 10 000: a job stops at its next heartbeat. */
  graceMs?: number;
};

/** "free": nobody held it; "released": it was given back in time; "revoked": its holder was told, and still has it. */
export type RevokeResult = { status: "free" | "released" | "revoked" };

const KNOWN = new Set(["graceMs"]);
const GRACE_MS = 10_000;
/** How often it is looked whether the key was given back, ms. */
const LOOK_MS = 50;

export function checkRevoke(options: RevokeOptions): void {
  checkNames(options, KNOWN);
  if (options.graceMs !== undefined) checkDuration("graceMs", options.graceMs, 0);
}

/** Asks all who hold the key to stop, and waits for them; who acquires it meanwhile was not asked. */
export async function revoke(
  key: string,
  { graceMs = GRACE_MS }: RevokeOptions,
  { engine, clock, signal }: { engine: Engine; clock: Clock; signal: AbortSignal },
): Promise<RevokeResult> {
  const { store, session } = engine;
  const asked = await store.readHolders(key);
  if (asked.length === 0) return { status: "free" };
  const { identity } = await session.whenTrusted(signal);
  for (const { sessionId, leaseNumber, fencingToken } of asked) {
    const answer = await store.revoke(identity, { key, sessionId, leaseNumber, fencingToken, force: false });
    if (answer.status === "error") throw answer.error;
    if (answer.status !== "asked" && answer.status !== "absent") {
      throw new StoreError("unreachable", `${JSON.stringify(key)} was not asked back: this session has just ended`);
    }
  }
  const isAsked = (held: LeaseRecord) =>
    asked.some((one) => one.leaseNumber === held.leaseNumber && one.sessionId === held.sessionId);
  const untilMs = clock.monoMs() + graceMs;
  for (;;) {
    if (!(await store.readHolders(key)).some(isAsked)) return { status: "released" };
    const leftMs = untilMs - clock.monoMs();
    if (leftMs <= 0) return { status: "revoked" };
    await wait(clock, Math.min(LOOK_MS, leftMs), signal);
  }
}
