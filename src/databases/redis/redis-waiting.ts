import type { AcquireAnswer, AcquireRequest, RevokeAnswer, Waiter } from "../database.js";
import type { LockModeError } from "../../errors.js";
import { modeError, type ModeLetter } from "../words.js";
import { toStoreError } from "./redis-errors.js";
import type { ScriptConnection } from "./connection.js";
import { parseLease } from "./records.js";

/** What acquire.lua is told of one element, and what it answers. Its header says what each word means. */
export function acquireArgument(r: AcquireRequest): string {
  const { leaseNumber, lockTtlMs, tokens = 1, wait, replace, trace } = r;
  const dead = wait?.dead.map(({ leaseId, sessionId }) => `${leaseId} ${sessionId}`).join(" ") ?? "";
  const replaced = replace?.map((one) => `${one.sessionId} ${one.fencingToken} ${one.markedAtMs ?? 0}`).join(" ") ?? "";
  return `${leaseNumber} ${lockTtlMs} ${modeWord(r)};${tokens};${wait?.fitForMs ?? 0};${replaced};${dead};${trace}`;
}

/** A mode as the scripts are told of it. */
export function modeWord({ mode = "exclusive", permits }: Pick<AcquireRequest, "mode" | "permits">): string {
  if (mode !== "permits") return mode === "shared" ? "s" : "x";
  return `p ${permits?.take ?? 1} ${permits?.limit ?? 1}`;
}

export function acquireAnswer(key: string, element: readonly string[] | string): AcquireAnswer {
  if (typeof element === "string") return freeKeyAnswer(element);
  const [status, a, b, c] = element;
  if (status === "granted") {
    return { status, fencingToken: Number(a), acquiredAtMs: Number(b), lastToken: Number(c) };
  }
  const isWaiting = status === "queued";
  if (status === "held" || isWaiting) {
    const [count, from] = isWaiting ? [Number(c), 4] : [Number(a), 2];
    const holders = element.slice(from, from + count).map((raw) => parseLease(key, raw));
    if (!isWaiting) return { status, holders };
    const unfit = toWaiters(element.slice(from + count));
    return { status, holders, isFirst: b === "first", unfit, ticket: Number(a) };
  }
  if (status === "recovering") return { status };
  const error = misfit(key, a!);
  if (!error) return { status: "error", error: toStoreError(new Error(a), JSON.stringify(key)) };
  return { status: "error", error, holders: element.slice(2).map((raw) => parseLease(key, raw)) };
}

function freeKeyAnswer(words: string): AcquireAnswer {
  const end = words.indexOf(" ");
  const token = Number(words.slice(0, end));
  return { status: "granted", fencingToken: token, acquiredAtMs: Number(words.slice(end + 1)), lastToken: token };
}

function misfit(key: string, words: string): LockModeError | undefined {
  const match = /^PULSELOCK_MODE (\w)(?: (\d+) (\d+))?, (\w) (\d+)$/.exec(words);
  if (!match) return undefined;
  const [wanted, take, limit, known, knownLimit] = match.slice(1) as [ModeLetter, string, string, ModeLetter, string];
  const wish = { mode: wanted, take: Number(take), limit: Number(limit ?? 0) };
  return modeError(key, wish, { mode: known, limit: Number(knownLimit) });
}

function toWaiters(words: readonly string[]): Waiter[] {
  const waiters: Waiter[] = [];
  for (let i = 0; i + 1 < words.length; i += 2) waiters.push({ leaseId: words[i]!, sessionId: words[i + 1]! });
  return waiters;
}

export function revokeAnswer(key: string, [status, a, b]: readonly string[]): RevokeAnswer {
  if (status === "asked") return { status, isHeard: a === "1" };
  if (status === "marked") return { status, markedAtMs: Number(a), steadyMs: Number(b) };
  if (status === "absent") return { status };
  return { status: "error", error: toStoreError(new Error(a), JSON.stringify(key)) };
}

/** Where one connection hears of grants: on the very connection that asks, so that both come in order. */
export class GrantChannel {
  readonly #name: string;
  #isAsked = false;
  #isDenied = false;

  constructor(name: string) {
    this.#name = name;
  }

  /**
   * Its name, for a request that is sent now; from the first on it is listened to, since commands are executed in the
   * order in which they are sent. Empty when that is not permitted: then only the next asking finds the lease.
   */
  use(connection: ScriptConnection): string {
    if (!this.#isAsked) {
      this.#isAsked = true;
      connection.subscribe(this.#name).catch((cause: unknown) => {
        this.#isDenied = toStoreError(cause).code === "denied"; // any other failure is told by the connection's end
      });
    }
    return this.#isDenied ? "" : this.#name;
  }
}
