import type { Client } from "pg";
import { AnswerWatch } from "../answer-watch.js";
import type { Clock } from "../../clock.js";
import { StoreError } from "../../errors.js";
import { isRetryable, isSchemaGone, toStoreError } from "./postgres-errors.js";
import { ensureSchema, quoteName, type SchemaNames } from "./schema.js";

export type PostgresOptions = {
  connectionString?: string | undefined;
  host?: string | undefined;
  port?: number | undefined;
  user?: string | undefined;
  password?: string | (() => string | Promise<string>) | undefined;
  database?: string | undefined;
  ssl?: unknown;
  [option: string]: unknown;
};

export type ConnectionEvents = { onMessage?(words: string): void; onClose(cause: StoreError): void };

/** How a connection is made: the database knows where to. */
export type OpenConnection = (clock: Clock, events: ConnectionEvents) => PostgresConnection;

type Value = string | number | boolean | null | readonly (string | number | null)[];

/** How often a statement is asked again that was undone by the server: a deadlock's victim, say. */
const RETRIES = 3;
const VERSION_MIN = 120_000;

const EXAMINE =
  "SELECT pg_backend_pid(), current_setting('server_version_num'), current_setting('server_version'), " +
  "current_setting('server_encoding'), current_setting('default_transaction_isolation')";

/**
 * One connection, used until it breaks and never mended: whoever owns it opens the next. Statements are sent without
 * waiting for the answers to those before them, and executed in that order. Every rejection is a StoreError.
 */
export class PostgresConnection {
  readonly ready: Promise<void>;
  /** Whether something stands between us and the server that gives each statement another of its connections. */
  isPooled = false;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #names: SchemaNames;
  readonly #events: ConnectionEvents;
  readonly #answers: AnswerWatch;
  #client: Client | undefined;
  #lastError: StoreError | undefined;

  constructor(options: PostgresOptions, names: SchemaNames, timeoutMs: number, clock: Clock, events: ConnectionEvents) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#names = names;
    this.#events = events;
    this.#answers = new AnswerWatch(clock, timeoutMs, (late) => this.close(late));
    this.ready = this.#connect(options);
    this.ready.catch(() => {}); // told by onClose as well; nobody need await it
  }

  /** Calls one of our functions: one statement, and so one transaction. The answer as the server wrote it. */
  async call(name: string, values: readonly Value[]): Promise<string | null> {
    const text = `SELECT ${quoteName(this.#names.functions)}.${quoteName(name)}(${values.map((_, i) => `$${i + 1}`)})`;
    for (let attempt = 0; ; attempt++) {
      try {
        return (await this.#ask(text, [...values]))[0]![0]!;
      } catch (cause) {
        if (isRetryable(cause) && attempt < RETRIES) continue;
        if (isSchemaGone(cause)) this.close(toStoreError(cause));
        throw toStoreError(this.#lastError ?? cause);
      }
    }
  }

  close(cause: unknown = new StoreError("unreachable", "PostgreSQL: the connection was closed by its owner")): void {
    if (this.#lastError) return;
    this.#lastError = toStoreError(cause);
    this.#answers.stop();
    // Not end(): that waits for what is under way, and of a server that stands still for ever
    streamOf(this.#client)?.destroy();
    this.#events.onClose(this.#lastError);
  }

  async #connect(options: PostgresOptions): Promise<void> {
    const late = new Error(`no connection within ${this.#timeoutMs} ms`);
    const timer = this.#clock.timer(this.#timeoutMs, () => this.#clock.afterInput(() => this.close(late)));
    try {
      const client = await this.#dial(options);
      if (this.#lastError) throw this.#lastError;
      await client.connect();
      timer.cancel();
      await this.#examine(client);
      await ensureSchema((text, values) => this.#ask(text, values), this.#names);
    } catch (cause) {
      this.close(cause);
      throw this.#lastError!;
    } finally {
      timer.cancel();
    }
  }

  async #dial(options: PostgresOptions): Promise<Client> {
    const pg = await loadDriver();
    const client = new pg.Client({
      ...options,
      pipeline: true, // as Redis: what is asked need not wait for what was asked before it
      connectionTimeoutMillis: 0, // ours does not mistake a blocked event loop for a dead server
      query_timeout: undefined,
      keepAlive: true,
      keepAliveInitialDelayMillis: 1_000,
      types: { getTypeParser: () => (text: string) => text },
    } as ConstructorParameters<typeof Client>[0]);
    this.#client = client;
    client.on("error", (error: Error) => this.close(error));
    client.on("end", () => this.close(new Error("the connection was closed")));
    client.on("notification", ({ payload }) => this.#events.onMessage?.(payload ?? ""));
    return client;
  }

  /** What would break the promise on a bad day is said on the first one. */
  async #examine(client: Client): Promise<void> {
    const [pid, number, version, encoding, isolation] = (await this.#ask(EXAMINE))[0]!;
    if (Number(number) < VERSION_MIN) {
      throw new StoreError("unsupported", `PostgreSQL ${version} is too old: 12 or newer is needed`);
    }
    if (encoding !== "UTF8") {
      throw new StoreError("unsupported", `PostgreSQL: the database's encoding is ${encoding}; UTF8 is needed`);
    }
    // A pooler makes up a number of its own for each client: the server's is told by the server alone.
    this.isPooled = Number(pid) !== (client as { processID?: number | null }).processID;
    if (isolation !== "read committed" && !this.isPooled) {
      await this.#ask("SET default_transaction_isolation = 'read committed'");
    }
  }

  async #ask(text: string, values: unknown[] = []): Promise<(string | null)[][]> {
    if (this.#lastError) throw this.#lastError;
    const query = values.length === 0 ? { text, rowMode: "array" } : { text, values, rowMode: "array" };
    const answer = await this.#answers.watch(() => this.#client!.query(query));
    return answer.rows as unknown as (string | null)[][];
  }
}

/** Loaded when it is first needed: an application without PostgreSQL need not install it. */
async function loadDriver(): Promise<{ Client: typeof Client }> {
  try {
    const module = (await import("pg")) as unknown as { default?: { Client: typeof Client }; Client?: typeof Client };
    return (module.default ?? module) as { Client: typeof Client };
  } catch (cause) {
    throw new StoreError("unsupported", "PostgreSQL: the package pg is needed: npm install pg", cause);
  }
}

function streamOf(client: Client | undefined): { destroy(): void } | undefined {
  return (client as { connection?: { stream?: { destroy(): void } } } | undefined)?.connection?.stream;
}
