// Who acts as a master, as the servers themselves say, and whether anybody has scripts executed there: when another one
// has taken over, and when two of them were used at a time.

import type { RedisServer } from "../support/redis-server.js";
import type { Interval } from "./relaxations.js";
import { nowMs } from "./journal.js";

const lookMs = 40;

/**
 * How much longer than the first use of a new master an old one may be used without two worlds, ms: what was learnt
 * there is believed for less than the new one's window lasts, by more than this.
 */
const harmlessMs = 100;

/** A master that executes nothing for so long before it is replaced stands still, ms: members ping far more often. */
const silentMs = 300;

/** Some time in between: it was seen before and after. */
type Use = { readonly fromMs: number; readonly toMs: number };

/** One server's time as a master, from one start or promotion to its end or demotion. */
export type Term = {
  readonly server: object;
  /** Undefined: it was started as a master. */
  readonly promoted: Use | undefined;
  readonly uses: Use[];
  /** Infinity: not yet. */
  endMs: number;
};

/** A server's answer. `calls`: scripts that it executed since it was started, without those that failed. */
export type Look = { readonly run: string; readonly isMaster: boolean; readonly calls: number };

/** One server, look by look. */
export class TermsOf {
  readonly terms: Term[] = [];
  readonly #server: object;
  #last: (Look & { readonly atMs: number }) | undefined;
  #stoodUntilMs = 0;

  constructor(server: object) {
    this.#server = server;
  }

  get open(): Term | undefined {
    const last = this.terms.at(-1);
    return last?.endMs === Infinity ? last : undefined;
  }

  /** It was stopped until now, so that it executed nothing before. */
  stood(untilMs: number): void {
    this.#stoodUntilMs = untilMs;
  }

  /** Undefined: it is not running. */
  look(look: Look | undefined, atMs: number): void {
    const last = this.#last?.run === look?.run ? this.#last : undefined;
    const since: Use = { fromMs: Math.max(this.#last?.atMs ?? atMs, this.#stoodUntilMs), toMs: atMs };
    if (!last && this.open) this.open.endMs = atMs;
    if (look?.isMaster === true && !this.open) {
      const wasReplica = last?.isMaster === false;
      this.terms.push({ server: this.#server, promoted: wasReplica ? since : undefined, uses: [], endMs: Infinity });
    }
    // What was executed before a demotion was executed by a master.
    if (look && this.open && look.calls > (last?.calls ?? 0)) this.open.uses.push(since);
    if (look?.isMaster === false && this.open) this.open.endMs = atMs;
    this.#last = look && { ...look, atMs };
  }
}

/** What has to be known of them to judge a history. */
export function seenIn(terms: readonly Term[]): Interval[] {
  const target = "store";
  const promotions = terms.flatMap(({ promoted, server }): Interval[] => {
    if (!promoted) return [];
    const stood = terms.some((old) => old.server !== server && isSilentAt(old, promoted.fromMs));
    return [{ kind: stood ? "silent-replaced" : "promotion", target, ...promoted }];
  });
  const pairs = terms.flatMap((older) => terms.map((newer) => ({ older, newer })));
  const others = pairs.filter(({ older, newer }) => older.server !== newer.server);
  const lost = others.flatMap(({ older, newer: { promoted } }): Interval[] => {
    const late = promoted ? usesAfter(older, promoted.fromMs) : undefined;
    return late ? [{ kind: "lost-writes", target, ...late }] : [];
  });
  const splits = others.flatMap(({ older, newer }): Interval[] => {
    const [first, oldest] = [newer.uses[0], older.uses[0]];
    if (!first || !oldest || oldest.toMs > first.toMs) return [];
    const late = usesAfter(older, first.fromMs, harmlessMs);
    const lastMs = newer.uses.at(-1)!.toMs;
    return late ? [{ kind: "two-masters", target, ...late, toMs: Math.min(late.toMs, lastMs) }] : [];
  });
  return [...promotions, ...lost, ...splits];
}

/** From the first to the last of its uses after that, and after a while more; of a master that was used before. */
function usesAfter({ uses }: Term, sinceMs: number, graceMs = 0): Use | undefined {
  const late = uses.filter(({ toMs }) => toMs > sinceMs + graceMs);
  const [first, last] = [late[0], late.at(-1)];
  if (!first || !last || uses[0]!.fromMs > sinceMs) return undefined;
  return { fromMs: Math.max(first.fromMs, sinceMs), toMs: last.toMs };
}

/** It ran, as a master, and executed nothing. */
function isSilentAt({ uses, endMs }: Term, atMs: number): boolean {
  const last = uses.findLast(({ fromMs }) => fromMs <= atMs);
  if (endMs <= atMs || !last) return false;
  // One that cannot be looked at for so long has executed nothing in between.
  const wasUnseen = last.toMs > atMs && last.toMs - last.fromMs > silentMs;
  return wasUnseen || last.toMs < atMs - silentMs;
}

export class PrimaryWatch implements AsyncDisposable {
  readonly #servers = new Map<RedisServer, TermsOf>();
  readonly #loops: Promise<void>[] = [];
  readonly #over = new AbortController();

  constructor(servers: readonly RedisServer[]) {
    for (const server of servers) {
      this.#servers.set(server, new TermsOf(server));
      this.#loops.push(this.#follow(server));
    }
  }

  /** The one that was made a master last, whatever it is doing. Undefined: there is none. */
  get primary(): RedisServer | undefined {
    const open = [...this.#servers].flatMap(([server, { open }]) => (open ? [{ server, open }] : []));
    const latest = open.toSorted((a, b) => (a.open.promoted?.toMs ?? 0) - (b.open.promoted?.toMs ?? 0)).at(-1);
    return latest?.server;
  }

  isMaster(server: RedisServer): boolean {
    return this.#servers.get(server)?.open !== undefined;
  }

  /** The server was stopped, and goes on now. */
  thawed(server: RedisServer): void {
    this.#servers.get(server)!.stood(nowMs());
  }

  seen(): Interval[] {
    return seenIn([...this.#servers.values()].flatMap(({ terms }) => terms));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#loops);
  }

  async #follow(server: RedisServer): Promise<void> {
    const client = server.client({ maxRetriesPerRequest: 0 });
    this.#over.signal.addEventListener("abort", () => client.disconnect());
    const terms = this.#servers.get(server)!;
    while (!this.#over.signal.aborted) {
      // A server that is there and refuses to tell, or stands still, is what it was.
      const text =
        server.pid === undefined
          ? ""
          : await client.info("server", "replication", "commandstats").catch(() => undefined);
      if (text === "") terms.look(undefined, nowMs());
      else if (text !== undefined) terms.look(readLook(text), nowMs());
      await new Promise((resolve) => setTimeout(resolve, lookMs)); // waits: for the next look
    }
  }
}

export function readLook(info: string): Look {
  const field = (name: string): string => new RegExp(`^${name}:(.*?)\r?$`, "m").exec(info)?.[1] ?? "";
  const count = (line: string, name: string): number => Number(new RegExp(`\\b${name}=(\\d+)`).exec(line)?.[1] ?? 0);
  const executed = ["evalsha", "eval"].map((command) => {
    const line = field(`cmdstat_${command}`);
    return count(line, "calls") - count(line, "failed_calls");
  });
  const calls = executed.reduce((sum, one) => sum + one, 0);
  return { run: field("run_id"), isMaster: field("role") === "master", calls };
}
