import type { StorePush } from "./database.js";
import { LockModeError } from "../errors.js";

/** What backends say in the same words. */

const MODES = { x: "exclusive", s: "shared", p: "permits" };
export type ModeLetter = keyof typeof MODES;

/** The locker whose session that is. */
export function lockerOf(sessionId: string): string {
  return sessionId.slice(0, sessionId.lastIndexOf("."));
}

/** What a store pushes; undefined for words of another version. */
export function parsePush(message: string): StorePush | undefined {
  const [kind, ...words] = message.split(" ");
  const numbers = words.map(Number);
  if (kind === "granted" && words.length === 6) {
    const [leaseNumber, fencingToken, lastToken, acquiredAtMs] = numbers as [number, number, number, number];
    const [era, sessionId] = words.slice(4) as [string, string];
    return { kind, leaseNumber, fencingToken, lastToken, acquiredAtMs, era, sessionId };
  }
  if (kind === "revoked" && words.length === 2) {
    return { kind, leaseNumber: numbers[0]!, fencingToken: numbers[1]! };
  }
  const isOne = (kind === "deadlock" || kind === "first") && words.length === 1;
  return isOne ? { kind, leaseNumber: numbers[0]! } : undefined;
}

type Wish = { mode: ModeLetter; take: number; limit: number };

/** Why a wish does not go with the way in which the key is in use, or waited for. */
export function modeError(key: string, wish: Wish, known: { mode: ModeLetter; limit: number }): LockModeError {
  if (wish.mode !== known.mode) {
    const rule = `does not go with that in which the key is in use (${MODES[known.mode]})`;
    return new LockModeError(key, "mode", MODES[wish.mode], rule);
  }
  if (wish.limit !== known.limit) {
    return new LockModeError(key, "permits.limit", wish.limit, `must be that with which it is in use, ${known.limit}`);
  }
  return new LockModeError(key, "permits.take", wish.take, `must be at most permits.limit, ${wish.limit}`);
}
