import type { StorePush } from "../database.js";
import { OptionError, StoreError } from "../../errors.js";
import { publish } from "../../events.js";
import { checkCount, checkDuration, checkNames, isPlainObject } from "../../options.js";
import type { ScriptName } from "./connection.js";

/**
 * How many replicas must have what makes this process believe that it holds a key, before it believes it: its grants,
 * and its pings. Where `count` is the number of all replicas, a master that was replaced without knowing it can keep
 * nobody's trust.
 */
export type ReplicaSettings = {
  /** How many; at least 1. */
  count: number;
  /** How long they may take, ms. Default 200. Less than commandTimeoutMs. */
  timeoutMs?: number;
  /**
   * What happens when fewer have answered by then. "refuse" (default): the answer does not count; an acquire is tried
   * again and, at the end of its patience, given back, and a session that cannot be acknowledged is not trusted, so
   * that heartbeats wait. "warn": it counts, and the event "store" says so.
   */
  otherwise?: "refuse" | "warn";
};

const KNOWN = new Set(["count", "timeoutMs", "otherwise"]);
const TIMEOUT_MS = 200;

export function checkReplicas(given: ReplicaSettings | undefined, commandTimeoutMs: number): void {
  if (given === undefined) return;
  if (!isPlainObject(given))
    throw new OptionError("replicas", given, "must be an object of count, timeoutMs, otherwise");
  checkNames(given, KNOWN, "replicas.");
  const { count, timeoutMs = TIMEOUT_MS, otherwise = "refuse" } = given;
  checkCount("replicas.count", count, 1);
  checkDuration("replicas.timeoutMs", timeoutMs, 1);
  const rule = `must be less than commandTimeoutMs (${commandTimeoutMs})`;
  if (timeoutMs >= commandTimeoutMs) throw new OptionError("replicas.timeoutMs", timeoutMs, rule);
  if (otherwise !== "refuse" && otherwise !== "warn") {
    throw new OptionError("replicas.otherwise", otherwise, 'must be "refuse" or "warn"');
  }
}

type Wait = (count: number, timeoutMs: number) => Promise<number>;
type Elements = readonly (readonly string[] | string)[];

/** Scripts after whose answer this process believes more than before, and which of their answers say so. */
const BELIEVED: Partial<Record<ScriptName, (reply: Elements) => boolean>> = {
  begin: ([status]) => status === "alive" || status === "recovering",
  ping: ([status]) => status === "alive" || status === "recovering",
  // After status and era a plain word is a grant, too: that of a key that was free
  acquire: ([, , ...elements]) => elements.some((element) => typeof element === "string" || element[0] === "granted"),
  reassert: (reply) => hasElement(reply, "held"),
  reown: (reply) => hasElement(reply, "held"),
};

function hasElement(reply: Elements, status: string): boolean {
  return reply.some((element) => typeof element !== "string" && element[0] === status);
}

/** What one connection does before it hands on an answer that is believed. */
export class Acknowledgement {
  readonly #settings: Required<ReplicaSettings>;
  readonly #wait: Wait;
  #hasWarned = false;

  /** `wait`: for the replicas to have all that this connection has written. Resolves with how many have. */
  constructor(settings: ReplicaSettings, wait: Wait) {
    this.#settings = { timeoutMs: TIMEOUT_MS, otherwise: "refuse", ...settings };
    this.#wait = wait;
  }

  /** Rejects when the answer must not count. */
  async of(name: ScriptName, reply: unknown): Promise<void> {
    if (!BELIEVED[name]?.(reply as Elements)) return;
    const { count, timeoutMs, otherwise } = this.#settings;
    const answered = await this.#wait(count, timeoutMs);
    if (answered >= count) return void (this.#hasWarned = false);
    const message = `Redis: ${answered} of ${count} replicas have it after ${timeoutMs} ms`;
    if (otherwise === "refuse") throw new StoreError("unreplicated", message);
    if (!this.#hasWarned) publish("store", () => ({ code: "unreplicated", message }));
    this.#hasWarned = true;
  }
}

/** The releaser wrote this grant: its waiter asks by its own connection, or nobody has waited for the replicas. */
export function unbelieved(push: StorePush): StorePush {
  return push.kind === "granted" ? { ...push, era: "" } : push;
}
