// An oracle, and the scripts that its own tests show it.

import { Oracle, type Facts, type HeldSomewhere } from "./oracle.js";
import { World } from "./world.js";

type Pair<T> = readonly [before?: T, after?: T];
type Done = {
  readonly lease?: Pair<string | undefined>;
  readonly queue?: Pair<readonly string[]>;
  readonly listeners?: number;
  readonly told?: readonly string[];
  readonly last?: number;
  readonly fence?: number;
  readonly era?: string;
  readonly isRecovering?: boolean;
  readonly refused?: "generation";
};

/** A queue of these, in that order. */
export function hash(entries: readonly string[] | undefined): Map<string, string> | undefined {
  return entries && new Map(entries.map((entry, i) => [String(i + 1), entry]));
}

/** An entry of that locker's first lease. */
export function entry(locker: string, fitForMs = 1_000, era = "era"): string {
  return `1 x ${locker}#1 ${locker}.1 6000 ${era} ${1_000_000 + fitForMs} 1 1 1 4 chan`;
}

export function record(locker: string, token: number): string {
  return `1 x ${locker}.1 1 ${token} 5 era `;
}

const limits = ["ttl", "1000", "grace", "500", "pid", "7"];

export class Stage {
  readonly world = new World(1);
  readonly held: HeldSomewhere[] = [];
  isAlive = true;
  readonly oracle: Oracle;

  constructor(isGentle = false) {
    const facts: Facts = { isAlive: () => this.isAlive, isGentle, held: () => this.held };
    this.oracle = new Oracle(this.world, facts);
  }

  get rules(): string[] {
    return this.oracle.violations.map(({ rule }) => rule);
  }

  /** An acquire that is granted the key; `found`: the record that it found. */
  grant(locker: string, leaseNumber: number, token: number, found?: string, last = token): void {
    const record = `1 x ${locker}.1 ${leaseNumber} ${token} 5 era `;
    this.change("acquire", locker, { lease: [found, record], last });
  }

  /** A script of that locker, and what it did to the key. */
  change(
    script: string,
    locker: string,
    { lease = [], queue = [], listeners = 1, told = [], last = 0, fence = Infinity, refused, ...look }: Done,
  ): void {
    const token = lease[1] ? Number(lease[1].split(" ")[4]) : 0;
    const reply = refused ? [refused] : ["ok", "era", ["granted", `${token}`, "5", `${last}`]];
    const before = { lease: lease[0], queue: hash(queue[0]) };
    const change = { key: "key", before, after: { lease: lease[1], queue: hash(queue[1]) } };
    const seen = { nowMs: this.world.nowMs, era: "era", isRecovering: false, ...look };
    const keys = ["p:n", `p:s:${locker}.1`, "p:l:key", "p:q:key"];
    this.oracle.onScript(script, keys, [], reply, {
      ...{ ...seen, fence, told, changes: [change], listeners: () => listeners },
    });
  }
  begin(): void {
    const args = ["fresh", "700", "new", "", "1", "3600000", ...limits];
    this.oracle.onScript("begin", ["p:n", "p:s:a.1"], args, ["alive"]);
  }
  ping(status: string): void {
    this.oracle.onScript("ping", ["p:n", "p:s:a.1"], [], [status]);
  }
  condemn(reason: string): void {
    this.oracle.onScript("condemn", ["p:n", "p:s:a.1", "p:s:b.1"], [], ["condemned", reason]);
  }
  pass(ms: number): void {
    this.world.nowMs += ms;
  }
}
