// Two tiers under faults: a Redis and a PostgreSQL of a schedule's own, and a link of each member to each of them.

import { waitUntil } from "../support/wait.js";
import type { Backend, DoorPorts, FaultTools, Store, StoredHolder } from "./backend.js";
import type { Limits } from "./fleets.js";
import type { FaultKind } from "./kinds.js";
import type { DatabaseDescription } from "./member-protocol.js";
import { postgresBackend, postgresKinds, PostgresStore } from "./postgres-backend.js";
import { redisBackend, redisKinds, RedisStore } from "./redis-backend.js";
import type { Fault } from "./schedule.js";

/** Promoted replicas are the affair of Redis alone. */
const kinds: readonly FaultKind[] = [...redisKinds.filter((kind) => !kind.startsWith("failover")), "store-gone"];
const second: readonly FaultKind[] = [...postgresKinds, "store-gone", "store-old"];

export const tiersBackend: Backend = {
  name: "tiers",
  kinds,
  second,
  notRun: (shim) => new Map([...redisBackend.notRun(shim), ...postgresBackend.notRun(shim)]),
  start: async (schedule, deps) => {
    const [redis, postgres] = await Promise.all([RedisStore.start(schedule, deps), PostgresStore.start(deps)]);
    return new TiersStore(redis, postgres);
  },
};

/** As short as they may be: a schedule has room for two changes there and back. */
const settings = { awayMs: 1_000, backMs: 1_000 };
/** From the end of all faults until Redis is in use again, ms: a change under way, `backMs`, and a change back. */
const settledMs = 12_000;

class TiersStore implements Store {
  readonly #redis: RedisStore;
  readonly #postgres: PostgresStore;

  constructor(redis: RedisStore, postgres: PostgresStore) {
    this.#redis = redis;
    this.#postgres = postgres;
  }

  get port(): number {
    return this.#redis.port;
  }

  get secondPort(): number {
    return this.#postgres.port;
  }

  /** Neither ever moves. */
  onMoved(): void {}

  describe(doors: DoorPorts, limits: Limits, host: string | undefined): DatabaseDescription {
    const redis = this.#redis.describe(doors, limits, undefined);
    const postgres = this.#postgres.describe({ port: doors.second!, others: [] }, limits, undefined);
    return { backend: "tiers", redis, postgres, settings, ...(host !== undefined && { host }) };
  }

  async apply(fault: Fault, tools: FaultTools): Promise<void> {
    if (fault.store === 1) return this.#redis.apply(fault, tools);
    if (fault.store === 2) return this.#postgres.apply(fault, tools);
    await Promise.all([this.#redis.apply(fault, tools), this.#postgres.apply(fault, tools)]);
  }

  async heal(): Promise<void> {
    await Promise.all([this.#redis.heal(), this.#postgres.heal()]);
  }

  /** Redis is there for everybody, so it is in use again. */
  async settled(): Promise<void> {
    const what = "the members are back to Redis";
    await waitUntil(async () => (await this.#epoch()).isAway, false, { deadlineMs: settledMs, what });
  }

  /** What other namespaces and PostgreSQL's older eras name holds nothing. */
  async holders(): Promise<StoredHolder[]> {
    const { within, isAway } = await this.#epoch();
    return isAway ? this.#postgres.holders() : this.#redis.holders(within);
  }

  async leftovers(): Promise<string[]> {
    const { within } = await this.#epoch();
    const [inRedis, inPostgres] = [await this.#redis.leftovers(within), await this.#postgres.leftovers()];
    // The namespace of each epoch stays, and that in which Redis is looked for.
    return [...inRedis.filter((what) => !/:(e\d+|probe):n lives for ever$/.test(what)), ...inPostgres];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#redis[Symbol.asyncDispose](), this.#postgres[Symbol.asyncDispose]()]);
  }

  /** As the register has it. */
  async #epoch(): Promise<{ within: string; isAway: boolean }> {
    const { rows } = await this.#postgres.ask((client) =>
      client.query<{ epoch: string; is_away: boolean }>("SELECT epoch, is_away FROM pulselock.tier"),
    );
    return { within: `e${rows[0]!.epoch}:`, isAway: rows[0]!.is_away };
  }
}
