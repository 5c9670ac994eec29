import type { Clock } from "../../clock.js";
import type { ConnectionEvents, OpenConnection, PostgresConnection } from "../postgres/connection.js";
import { Reopened } from "../reopened.js";
import type { Tier } from "./epoch.js";

/** What a locker tells the register of itself. */
export type Sight = {
  voter: string;
  /** The epoch that it knows; 0: none. */
  epoch: number;
  /** When that epoch's store served it last, by PostgreSQL's clock, ms. */
  servedMs: number;
  /** Undefined: it cannot tell, and does not vote. */
  seesRedis: boolean | undefined;
  /** By how much the clock of Redis is ahead of PostgreSQL's, ms. */
  aheadMs: number;
  /** For how long its word counts, ms. */
  countsMs: number;
};

const NOTHING: Sight = { voter: "", epoch: 0, servedMs: 0, seesRedis: undefined, aheadMs: 0, countsMs: 0 };

/** Which tier is in use, as PostgreSQL keeps it: a connection that is opened again whenever it breaks. */
export class Register {
  readonly #link: Reopened<PostgresConnection, void>;
  readonly #clock: Clock;
  readonly #limits: { awayMs: number; backMs: number; recoveryMs: number };

  constructor(open: OpenConnection, clock: Clock, limits: { awayMs: number; backMs: number; recoveryMs: number }) {
    const opening = { open: (onClose: ConnectionEvents["onClose"]) => open(clock, { onClose }), listen: () => {} };
    this.#link = new Reopened("PostgreSQL", { clock }, opening);
    this.#clock = clock;
    this.#limits = limits;
  }

  whenUp(signal: AbortSignal): Promise<void> {
    return this.#link.whenUp(signal);
  }

  /** One statement. Rejects with a StoreError when no answer came. */
  async see({ voter, epoch, servedMs, seesRedis, aheadMs, countsMs }: Sight = NOTHING): Promise<Tier> {
    const { recoveryMs, awayMs, backMs } = this.#limits;
    const told = [voter, epoch, servedMs, seesRedis ?? null, Math.ceil(aheadMs), Math.ceil(countsMs)];
    const values = [this.#clock.freshId(10), ...told, recoveryMs, awayMs, backMs];
    const words = JSON.parse((await this.#link.use().call("see_tier", values))!) as Words;
    const [current, previous, isAway, servedUntilMs, fence, recovery, nowMs] = words;
    return { epoch: current, previous, isAway, servedUntilMs, fence, recoveryMs: recovery, nowMs };
  }

  close(): void {
    this.#link.close();
  }
}

type Words = [
  epoch: number,
  previous: number,
  isAway: boolean,
  servedUntilMs: number,
  fence: number,
  recoveryMs: number,
  nowMs: number,
];
