import type { Clock } from "../../clock.js";
import type {
  Database,
  DatabaseDescription,
  LeaseStore,
  LivenessConnection,
  LivenessEvents,
  StoreContext,
} from "../database.js";
import { OptionError } from "../../errors.js";
import { checkDuration, checkNames } from "../../options.js";
import { checkRecoveryMs, DEFAULT_RECOVERY_MS } from "../recovery-ms.js";
import { PostgresConnection, type ConnectionEvents, type OpenConnection, type PostgresOptions } from "./connection.js";
import { PostgresLeases } from "./postgres-leases.js";
import { PostgresLiveness } from "./postgres-liveness.js";
import { migrationText, schemaNames, type SchemaNames } from "./schema.js";

export type { PostgresOptions } from "./connection.js";

export type PostgresDatabaseSettings = {
  /** Where tables lie; the functions of each version lie beside it. Who shares it shares the locks. "pulselock". */
  schema?: string;
  /**
   * How long nothing is granted after the database lost its memory, ms. Default 2 500: longer than anybody with the
   * default limits may go on without asking (1 300) and two pings. Must be at least that for the slowest fleet that
   * shares the schema.
   */
  recoveryMs?: number;
  /** A statement without an answer for so long ends its connection, ms. Default 2 000. */
  commandTimeoutMs?: number;
  /** The database past a pooler that gives each transaction another connection: for the worker, and to listen on. */
  directUrl?: string;
};

/** A URL, options of `pg`, or a `pg.Pool` of which the options are taken: pulselock opens connections of its own. */
export type PostgresSource = string | PostgresOptions | PoolLike;
type PoolLike = { readonly options: object; readonly totalCount: number };

/** PostgreSQL ≥ 12, with the package `pg`. */
export class PostgresDatabase implements Database {
  readonly recoveryMs: number;
  readonly #source: PostgresSource;
  readonly #settings: PostgresDatabaseSettings;
  readonly #names: SchemaNames;
  readonly #open: OpenConnection;
  readonly #openDirect: OpenConnection | undefined;

  constructor(source: PostgresSource, settings: PostgresDatabaseSettings = {}) {
    this.#source = source;
    this.#settings = settings;
    checkSettings(settings);
    this.recoveryMs = settings.recoveryMs ?? DEFAULT_RECOVERY_MS;
    this.#names = schemaNames(settings.schema ?? "pulselock");
    const timeoutMs = settings.commandTimeoutMs ?? 2_000;
    const opener =
      (options: PostgresOptions): OpenConnection =>
      (clock, events) =>
        new PostgresConnection(options, this.#names, timeoutMs, clock, events);
    this.#open = opener(optionsOf(source));
    const { directUrl } = settings;
    this.#openDirect = directUrl === undefined ? undefined : opener(optionsOf(directUrl));
  }

  openLeases(context: StoreContext): LeaseStore {
    return new PostgresLeases(this.#open, this.#openDirect, context);
  }

  openLiveness(context: StoreContext, events: LivenessEvents): LivenessConnection {
    return new PostgresLiveness(this.#openDirect ?? this.#open, context, events);
  }

  /** A connection past any pooler, for what is neither door's. */
  openConnection(clock: Clock, events: ConnectionEvents): PostgresConnection {
    return (this.#openDirect ?? this.#open)(clock, events);
  }

  describe(): DatabaseDescription {
    if (typeof this.#source === "string" && Object.keys(this.#settings).length === 0) {
      return { type: "url", url: this.#source };
    }
    try {
      return structuredClone({ type: "postgres", options: optionsOf(this.#source), settings: { ...this.#settings } });
    } catch {
      const rule = "cannot be handed to the worker thread: export it from a module and give { moduleName, exportName }";
      throw new OptionError("database", "options with callbacks", rule);
    }
  }

  /** A pool opens its first connection when it is first asked: an import leaves none. */
  disposeImported(): void {}

  /**
   * What makes schema, tables and functions, for a role that may. Safe to run twice. With `grantTo` another role gets
   * what it needs to work with them, and need own nothing.
   */
  migration({ grantTo }: { grantTo?: string } = {}): string {
    return migrationText(this.#names, grantTo);
  }
}

function optionsOf(source: PostgresSource): PostgresOptions {
  if (typeof source === "string") {
    if (!/^postgres(ql)?:\/\//.test(source)) {
      throw new OptionError("database", source, "must be a postgres:// or postgresql:// URL");
    }
    if (!URL.canParse(source)) throw new OptionError("database", source, "must be a valid URL");
    return { connectionString: source };
  }
  if (typeof source !== "object" || source === null) {
    throw new OptionError("database", source, "must be a URL, options of pg or a pg.Pool");
  }
  // A pool's options carry what it was made with; `pg` hides the password from whoever lists them.
  if (!isPool(source)) return source;
  const options = source.options as PostgresOptions;
  return { ...options, ...(options.password === undefined ? {} : { password: options.password }) };
}

/** By shape, not by class: the application may bring another copy of pg. */
function isPool(source: object): source is PoolLike {
  const pool = source as { options?: unknown; connect?: unknown };
  return typeof pool.connect === "function" && typeof pool.options === "object" && pool.options !== null;
}

const KNOWN_SETTINGS = new Set(["schema", "recoveryMs", "commandTimeoutMs", "directUrl"]);
/** A name of PostgreSQL has 63 bytes, and the functions' schema 9 more. */
const SCHEMA_NAME = /^[a-zA-Z_][a-zA-Z0-9_]{0,53}$/;

function checkSettings(settings: PostgresDatabaseSettings): void {
  checkNames(settings, KNOWN_SETTINGS);
  const { schema = "pulselock", recoveryMs = DEFAULT_RECOVERY_MS, commandTimeoutMs = 2_000 } = settings;
  checkRecoveryMs(recoveryMs);
  checkDuration("commandTimeoutMs", commandTimeoutMs, 1);
  if (!SCHEMA_NAME.test(schema) || schema.startsWith("pg_")) {
    throw new OptionError("schema", schema, "must be a name of letters, digits and _, of at most 54");
  }
}
