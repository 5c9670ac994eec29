import type {
  Database,
  DatabaseDescription,
  LeaseStore,
  LivenessConnection,
  LivenessEvents,
  StoreContext,
} from "../database.js";
import type { Clock } from "../../clock.js";
import { OptionError } from "../../errors.js";
import { checkDuration, checkNames } from "../../options.js";
import { PostgresDatabase } from "../postgres/postgres-database.js";
import { RedisDatabase } from "../redis/redis-database.js";
import { clockOf, type Epoch } from "./epoch.js";
import { Register } from "./register.js";
import { TieredLeases } from "./tiered-leases.js";
import { TieredLiveness, type Served } from "./tiered-liveness.js";

export type TieredDatabaseSettings = {
  /** A majority has not seen Redis for so long: PostgreSQL takes its place, ms. Default 5 000. At least 1 000. */
  awayMs?: number;
  /** A majority has seen Redis again for so long: back to it, ms. Default 30 000. At least 1 000. */
  backMs?: number;
};

/**
 * Redis, and PostgreSQL while Redis is away. PostgreSQL keeps which of them is in use, and is needed at any time
 * (docs/adr/0014). All who share it must be given the same two stores this way, and nobody one of them alone.
 */
export class TieredDatabase implements Database {
  readonly recoveryMs: number;
  readonly #redis: RedisDatabase;
  readonly #postgres: PostgresDatabase;
  readonly #settings: TieredDatabaseSettings;
  readonly #limits: { awayMs: number; backMs: number; recoveryMs: number };
  readonly #served: Served = { seesRedis: undefined };

  constructor(
    redis: RedisDatabase | string,
    postgres: PostgresDatabase | string,
    settings: TieredDatabaseSettings = {},
  ) {
    this.#redis = typeof redis === "string" ? new RedisDatabase(redis) : redis;
    this.#postgres = typeof postgres === "string" ? new PostgresDatabase(postgres) : postgres;
    if (!(this.#redis instanceof RedisDatabase))
      throw new OptionError("redis", redis, "must be a URL or RedisDatabase");
    if (this.#redis.shards)
      throw new OptionError("redis", redis, "must not be a cluster: its shards change one by one");
    if (!(this.#postgres instanceof PostgresDatabase)) {
      throw new OptionError("postgres", postgres, "must be a URL or PostgresDatabase");
    }
    this.#settings = settings;
    checkNames(settings, new Set(["awayMs", "backMs"]));
    const { awayMs = 5_000, backMs = 30_000 } = settings;
    checkDuration("awayMs", awayMs, 1_000);
    checkDuration("backMs", backMs, 1_000);
    this.recoveryMs = Math.max(this.#redis.recoveryMs, this.#postgres.recoveryMs);
    this.#limits = { awayMs, backMs, recoveryMs: this.recoveryMs };
  }

  openLeases(context: StoreContext): LeaseStore {
    const register = this.#register(context.clock);
    return new TieredLeases(register, context, (tier, inner) => {
      if (tier.isAway) return this.#postgres.openLeases(inner);
      return this.#within(tier).openLeases({ ...inner, clock: clockOf(inner.clock, tier) });
    });
  }

  openLiveness({ clock }: StoreContext, events: LivenessEvents): LivenessConnection {
    return new TieredLiveness({
      ...{ clock, events, served: this.#served, register: this.#register(clock) },
      open: (tier, inner) => {
        if (tier.isAway) return this.#postgres.openLiveness({ clock }, inner);
        return this.#within(tier).openLiveness({ clock: clockOf(clock, tier), fence: tier.fence }, inner);
      },
      probe: (inner) => this.#redis.within("probe:").openLiveness({ clock }, inner),
    });
  }

  describe(): DatabaseDescription {
    const [redis, postgres] = [this.#redis.describe(), this.#postgres.describe()];
    return { type: "tiers", redis, postgres, settings: { ...this.#settings } };
  }

  disposeImported(): void {
    this.#redis.disposeImported();
  }

  /** Each epoch of Redis has a namespace that nobody has used before. */
  #within({ epoch }: Epoch): RedisDatabase {
    return this.#redis.within(`e${epoch}:`);
  }

  #register(clock: Clock): Register {
    return new Register((theirs, events) => this.#postgres.openConnection(theirs, events), clock, this.#limits);
  }
}
