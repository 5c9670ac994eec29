import { StoreError, type StoreErrorCode } from "../../../errors.js";

/** SQLite's primary result codes, what they mean to us and what to do about it. */
const MEANINGS: Readonly<Record<number, readonly [StoreErrorCode, string]>> = {
  3: ["denied", "this user may not use the file"],
  5: ["unreachable", "another process kept the file locked"],
  6: ["unreachable", "another connection kept the file locked"],
  8: ["read-only", "the file or its folder may not be written by this user"],
  10: ["unreachable", "reading or writing the file failed"],
  11: ["foreign-value", "the file is damaged; move it away, and a new one is made"],
  13: ["out-of-memory", "the disk is full; nothing was granted"],
  14: ["denied", "the file cannot be opened: does its folder exist, and may this user use it?"],
  15: ["unreachable", "the file is locked in a way that this system does not support"],
  23: ["denied", "this user may not use the file"],
  26: ["foreign-value", "the file is no SQLite database; it was left untouched"],
};

/** The primary result code, of whichever driver; 0 when there is none. */
export function codeOf(error: unknown): number {
  const { errcode, rawCode, code, message } = error as Error & { errcode?: number; rawCode?: number; code?: unknown };
  const failedOpen = /^ConnectionFailed.*: (\d+)"/.exec(message)?.[1]; // libsql has no code for it
  if (failedOpen) return Number(failedOpen);
  const number = errcode ?? rawCode ?? (typeof code === "string" ? NAMES.indexOf(code.split("_")[1] ?? "") : 0);
  return number & 0xff;
}
const NAMES = ["OK", "ERROR", "INTERNAL", "PERM", "ABORT", "BUSY", "LOCKED", "NOMEM", "READONLY", "INTERRUPT"];
NAMES.push("IOERR", "CORRUPT", "NOTFOUND", "FULL", "CANTOPEN", "PROTOCOL");

export const isBusy = (error: unknown): boolean => [5, 6].includes(codeOf(error));

export const isFull = (error: unknown): boolean => codeOf(error) === 13;

/** After these the connection is of no more use. */
export const isFatal = (error: unknown): boolean => [10, 11, 26].includes(codeOf(error));

export function toStoreError(cause: unknown, path: string): StoreError {
  if (cause instanceof StoreError) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  const [code, advice] = MEANINGS[codeOf(cause)] ?? ["unreachable", "the file could not be used"];
  return new StoreError(code, `SQLite ${path}: ${advice} (${text})`, cause);
}
