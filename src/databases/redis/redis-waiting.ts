import type { AcquireAnswer, AcquireRequest, GrantPush, Waiter } from "../database.js";
import { toStoreError } from "./redis-errors.js";
import type { ScriptConnection } from "./connection.js";
import { parseLease } from "./records.js";

/** What acquire.lua is told of one element, and what it answers. Its header says what each word means. */
export function acquireArguments(r: AcquireRequest): (string | number)[] {
  const dead = r.wait?.dead.map(({ leaseId, sessionId }) => `${leaseId} ${sessionId}`).join(" ") ?? "";
  const replaced = [r.replace?.sessionId ?? "", r.replace?.fencingToken ?? ""];
  return [r.leaseNumber, r.lockTtlMs, ...replaced, r.tokens ?? 1, r.wait?.fitForMs ?? 0, dead, r.trace];
}

export function acquireAnswer(key: string, element: readonly string[]): AcquireAnswer {
  const [status, a, b, c] = element;
  if (status === "granted") {
    return { status, fencingToken: Number(a), acquiredAtMs: Number(b), lastToken: Number(c) };
  }
  if (status === "held") return { status, lease: parseLease(key, a!) };
  if (status === "queued") {
    return { status, lease: parseLease(key, a!), isFirst: b === "first", unfit: toWaiters(element.slice(3)) };
  }
  if (status === "recovering") return { status };
  return { status: "error", error: toStoreError(new Error(a), JSON.stringify(key)) };
}

function toWaiters(words: readonly string[]): Waiter[] {
  const waiters: Waiter[] = [];
  for (let i = 0; i + 1 < words.length; i += 2) waiters.push({ leaseId: words[i]!, sessionId: words[i + 1]! });
  return waiters;
}

/** What release.lua and acquire.lua publish; undefined for words of another version. */
export function parseGrant(message: string): GrantPush | undefined {
  const match = /^granted (\d+) (\d+) (\d+) (\d+) (\S+) (\S+)$/.exec(message);
  if (!match) return undefined;
  const [leaseNumber, fencingToken, lastToken, acquiredAtMs] = match.slice(1, 5).map(Number) as Numbers;
  return { leaseNumber, fencingToken, lastToken, acquiredAtMs, era: match[5]!, sessionId: match[6]! };
}
type Numbers = [leaseNumber: number, fencingToken: number, lastToken: number, acquiredAtMs: number];

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
