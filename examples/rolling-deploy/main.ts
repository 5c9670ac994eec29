// The rolling deploy, on real processes: see README.md of this repository, "npm start". It makes a SQLite file
// (or uses the Redis of REDIS_URL), runs the scenario, lets the observer judge it, and leaves nothing behind.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { Fleet } from "./fleet.js";
import { LIMITS } from "./limits.js";
import { judge } from "./observer.js";
import { runScenario, shutDown } from "./scenario.js";
import { printSummary } from "./summary.js";
import { print } from "./terminal.js";
import { Timeline } from "./timeline.js";

const JOBS = ["invoices", "mailing", "search-index", "thumbnails", "reports", "sync"];

type Store = { url: string; close: () => Promise<void> };

async function openStore(prefix: string): Promise<Store> {
  const given = process.env["REDIS_URL"];
  if (given) {
    await checkRedis(given);
    print("Using the Redis that REDIS_URL names");
    return { url: given, close: () => removeKeys(given, prefix) };
  }
  const folder = mkdtempSync(join(tmpdir(), "rolling-deploy-locks-"));
  const path = join(folder, "locks.db");
  print(`Using a SQLite file, ${path}; REDIS_URL would name a Redis`);
  return { url: `sqlite:${path}`, close: async () => rmSync(folder, { recursive: true }) };
}

/** What cannot be reached is said at once, and once; not by each process of the fleet. */
async function checkRedis(url: string): Promise<void> {
  const isUrl = /^rediss?:\/\//.test(url) && URL.canParse(url);
  if (!isUrl) throw new Error("REDIS_URL must be a redis:// or rediss:// URL");
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
  let cause: Error | undefined;
  redis.on("error", (error: Error) => (cause = error));
  try {
    await redis.connect();
    await redis.ping();
  } catch (error) {
    throw new Error(`no Redis answers at REDIS_URL: ${(cause ?? (error as Error)).message}`, { cause: error });
  } finally {
    redis.disconnect();
  }
}

/** Somebody else's Redis is left as it was found. */
async function removeKeys(url: string, prefix: string): Promise<void> {
  const redis = new Redis(url);
  try {
    let cursor = "0";
    do {
      const [next, keys] = await redis.scan(cursor, "MATCH", `${prefix}*`, "COUNT", 1_000);
      if (keys.length > 0) await redis.unlink(...keys);
      cursor = next;
    } while (cursor !== "0");
  } finally {
    redis.disconnect();
  }
}

async function runDemonstration(url: string, prefix: string, interrupted: AbortSignal): Promise<boolean> {
  const recordsDir = mkdtempSync(join(tmpdir(), "rolling-deploy-"));
  const fleet = new Fleet({ jobs: JOBS, recordsDir, env: { DEPLOY_URL: url, DEPLOY_PREFIX: prefix } });
  const timeline = new Timeline(fleet);
  const stage = { fleet, timeline, signal: interrupted };
  // The last net, for an end that nobody planned: no process may outlive this one.
  const killAll = (): void => fleet.killAll();
  process.once("exit", killAll);
  try {
    await runScenario(stage);
    await shutDown(stage);
  } finally {
    fleet.killAll();
    fleet.closeFiles();
    process.off("exit", killAll);
    if (interrupted.aborted) rmSync(recordsDir, { recursive: true });
  }
  const { book, marks } = timeline;
  const report = judge({ jobs: JOBS, book, marks, ledger: fleet.ledger.entries }, LIMITS);
  report.failures.push(...fleet.surprises);
  printSummary(report);
  const kept = report.failures.length === 0;
  if (kept) rmSync(recordsDir, { recursive: true });
  else print(`The jobs' own records are kept in ${recordsDir}`);
  return kept;
}

async function main(): Promise<void> {
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => interrupt.abort(new Error(`stopped by ${signal}`)));
  }
  const prefix = `rolling-deploy:${randomBytes(4).toString("hex")}:`;
  let store: Store | undefined;
  try {
    store = await openStore(prefix);
    const kept = await runDemonstration(store.url, prefix, interrupt.signal);
    process.exitCode = kept ? 0 : 1;
  } catch (error) {
    process.exitCode = interrupt.signal.aborted ? 130 : 1;
    print(interrupt.signal.aborted ? `\n${interrupt.signal.reason.message}` : `\n✖ ${String(error)}`);
  } finally {
    await store?.close();
  }
}

await main();
