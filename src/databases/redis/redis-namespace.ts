import type {
  Database,
  DatabaseDescription,
  LeaseStore,
  LivenessConnection,
  LivenessEvents,
  StoreContext,
  StorePush,
} from "../database.js";
import type { OpenConnection } from "./connection.js";
import type { RedisKeys } from "./keys.js";
import { RedisLeases } from "./redis-leases.js";
import { RedisLiveness } from "./redis-liveness.js";
import { unbelieved } from "./replicas.js";

/** What a namespace has from the database that it is of. */
export type Whole = Pick<Database, "describe" | "disposeImported" | "recoveryMs">;

export type NamespaceSettings = {
  keys: RedisKeys;
  open: OpenConnection;
  allowEviction: boolean;
  /** Grants and pings are acknowledged by replicas. */
  isAcknowledged: boolean;
  /** Rejects when this locker must not use the server. */
  agree?: (context: StoreContext) => Promise<void>;
};

/** All that one era is about: on one server, or in one slot of a cluster. */
export class RedisNamespace implements Database {
  readonly #of: Whole;
  readonly #settings: NamespaceSettings;

  constructor(of: Whole, settings: NamespaceSettings) {
    this.#of = of;
    this.#settings = settings;
  }

  get recoveryMs(): number {
    return this.#of.recoveryMs;
  }

  openLeases(context: StoreContext): LeaseStore {
    const { open, keys, isAcknowledged } = this.#settings;
    const { onPush } = context;
    const careful = onPush && isAcknowledged && { onPush: (push: StorePush) => onPush(unbelieved(push)) };
    return new RedisLeases(open, keys, { ...context, ...careful });
  }

  openLiveness(context: StoreContext, events: LivenessEvents): LivenessConnection {
    const { open, keys, allowEviction, agree } = this.#settings;
    return new RedisLiveness(open, keys, allowEviction, context, events, agree);
  }

  describe(): DatabaseDescription {
    return this.#of.describe();
  }

  disposeImported(): void {
    this.#of.disposeImported();
  }
}
