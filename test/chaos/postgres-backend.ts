// PostgreSQL under faults.

import type { Client } from "pg";
import { openClient, startPostgres, type PostgresServer } from "../support/postgres-server.js";
import { waitUntil, withDeadline } from "../support/wait.js";
import type { Backend, DoorPorts, FaultTools, Store, StoreDeps, StoredHolder } from "./backend.js";
import type { SteppedClock } from "./clock-shim.js";
import type { Limits } from "./fleets.js";
import type { FaultKind } from "./kinds.js";
import type { DatabaseDescription } from "./member-protocol.js";
import { eraseAll, lockTables, readHolders, readLeftovers, terminate } from "./postgres-records.js";
import type { Fault, Schedule } from "./schedule.js";

export const postgresKinds = [
  "store-freeze",
  "store-crash",
  "flushall",
  "kill-clients",
  "kill-subscribers",
  "busy-script",
  "store-clock",
  "store-clock-far",
] as const satisfies readonly FaultKind[];

export const postgresBackend: Backend = {
  name: "postgres",
  kinds: postgresKinds,
  notRun: (shim) => {
    const stepped = postgresKinds.filter((kind) => kind.startsWith("store-clock"));
    return new Map(shim ? [] : stepped.map((kind) => [kind, "no clock shim"]));
  },
  start: (_schedule: Schedule, deps) => PostgresStore.start(deps),
};

const answerMsMax = 5_000;

export class PostgresStore implements Store {
  readonly #server: PostgresServer;
  readonly #clock: SteppedClock | undefined;
  #client: Promise<Client> | undefined;
  /** Crashes take turns: each leaves a server behind. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(server: PostgresServer, clock: SteppedClock | undefined) {
    this.#server = server;
    this.#clock = clock;
  }

  static async start({ shim }: StoreDeps): Promise<PostgresStore> {
    const clock = shim?.clock();
    return new PostgresStore(await startPostgres({ env: clock?.env ?? {} }), clock);
  }

  get port(): number {
    return this.#server.port;
  }

  /** It never moves. */
  onMoved(): void {}

  describe({ port }: DoorPorts, { database }: Limits, host: string | undefined): DatabaseDescription {
    const url = this.#server.url.replace(`:${this.#server.port}/`, `:${port}/`);
    return { backend: "postgres", url, settings: { ...database }, ...(host !== undefined && { host }) };
  }

  async apply(fault: Fault, tools: FaultTools): Promise<void> {
    const { kind, durationMs, value = 0 } = fault;
    if (kind === "store-crash" || kind === "store-gone" || kind === "store-old") {
      const turn = this.#turn.then(() => this.#crash(fault, tools));
      this.#turn = turn.catch(() => undefined);
      return turn;
    }
    if (kind === "store-freeze") {
      if (this.#server.pid === undefined) throw new Error("the store is down");
      this.#server.freeze();
      tools.begun();
      await tools.wait(durationMs);
      return this.#server.thaw();
    }
    if (kind === "store-clock" || kind === "store-clock-far") {
      if (!this.#clock) throw new Error("no clock shim");
      this.#clock.set(value);
      tools.begun();
      await tools.wait(durationMs);
      return this.#clock.set(0);
    }
    if (kind === "busy-script") return lockTables(this.#server.url, durationMs, tools);
    await this.ask(async (client) => {
      if (kind === "flushall") await eraseAll(client);
      else if (kind === "kill-clients") await terminate(client, "pid % 2 = 0");
      else if (kind === "kill-subscribers") await terminate(client, "pid IN (SELECT pid FROM pg_locks WHERE granted)");
      else throw new RangeError(`the postgres backend has no fault ${kind}`);
    });
    tools.begun();
  }

  async heal(): Promise<void> {
    await this.#turn;
    this.#server.thaw();
    if (this.#server.pid === undefined) await this.#server.start();
    const answers = () => this.ask(async (client) => (await client.query("SELECT 1")).rowCount).catch(() => 0);
    await waitUntil(answers, 1, { deadlineMs: 15_000, what: "the healed store's answer" });
  }

  holders(): Promise<StoredHolder[]> {
    return this.ask(readHolders);
  }

  leftovers(): Promise<string[]> {
    return this.ask(readLeftovers);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const client = await this.#client?.catch(() => undefined);
    await this.#server[Symbol.asyncDispose]();
    await client?.end().catch(() => undefined);
    this.#clock?.close();
  }

  /** In turns: as when its machine fails, as when it is told to stop at once, and as when one of its processes dies. */
  async #crash({ kind, durationMs }: Fault, tools: FaultTools): Promise<void> {
    if (kind === "store-old") {
      await this.#server.revert(() => tools.wait(durationMs));
      return tools.begun();
    }
    tools.begun();
    const how = Math.round(durationMs) % 3;
    if (how === 2 && kind === "store-crash") {
      // The order's own connection: the server ends all others for it
      await this.ask(async (client) => {
        const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
        process.kill(rows[0]!.pid, "SIGKILL");
      });
      return tools.wait(durationMs);
    }
    if (how === 0) await this.#server.kill();
    else await this.#server.stop("immediate");
    await tools.wait(durationMs);
    await this.#server.start();
  }

  async #connect(): Promise<Client> {
    const client = await openClient(this.#server.url);
    client.once("end", () => (this.#client = undefined));
    return client;
  }

  /** By a connection of the harness's own. A server that does not answer fails the order. */
  async ask<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const client = (this.#client ??= this.#connect());
    try {
      return await withDeadline(
        client.then((open) => work(open)),
        answerMsMax,
        "the store's answer",
      );
    } catch (error) {
      if (this.#client === client) this.#client = undefined;
      void client.then(
        (open) => open.end(),
        () => undefined,
      );
      throw error;
    }
  }
}
