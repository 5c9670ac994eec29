// Many lockers in a few processes that all want one key, over a network whose latency is drawn anew for every packet.

import type { Redis } from "ioredis";
import type { LockerOptions, RedisDatabaseSettings } from "../../src/index.js";
import { spawnChild, type Child } from "../support/child.js";
import { startRedis } from "../support/redis-server.js";
import { withDeadline } from "../support/wait.js";
import { Ledger } from "../faults/fixtures/ledger.js";

export type CrowdSetup = {
  readonly processes: number;
  readonly lockersEach: number;
  /** Sections that each locker runs. */
  readonly turns: number;
  readonly sectionMs: number;
  /** The longest latency of a packet in one direction, ms. */
  readonly jitterMs: number;
  readonly limits: Partial<Omit<LockerOptions, "database">>;
  readonly settings: RedisDatabaseSettings;
  readonly deadlineMs: number;
};

/** Crosses to the process as JSON. */
export type MembersSetup = Pick<CrowdSetup, "turns" | "sectionMs" | "limits" | "settings"> & {
  readonly url: string;
  readonly ledgerUrl: string;
  readonly key: string;
  readonly name: string;
  readonly lockers: number;
};

/** One section; µs of the clock that all processes of a host share. */
export type Turn = {
  readonly name: string;
  readonly token: number;
  readonly calledUs: number;
  readonly enteredUs: number;
  /** Before the last question whether the lease is held, to which the answer was yes. */
  readonly leftUs: number;
  /** Writes that the fenced register refused. */
  readonly refused: number;
};

export type CrowdReport = {
  /** In the order in which they began. */
  readonly turns: Turn[];
  readonly tookMs: number;
  /** Commands that the clients sent while the turns were had, and a second before that, at rest. */
  readonly commands: number;
  readonly restingCommandsASecond: number;
  /** Of Redis, ms. */
  readonly storeCpuMs: number;
};

export async function runCrowd(setup: CrowdSetup): Promise<CrowdReport> {
  await using redis = await startRedis();
  await using ledgerStore = await startRedis();
  await using crowd = await openCrowd(setup, redis.port, ledgerStore.url);
  const client = redis.client();
  const restingCommandsASecond = await measureRest(client);
  const before = await readCost(client);
  const startedUs = Ledger.nowUs();
  const asked = crowd.members.map((member) => member.request<Turn[]>("takeTurns"));
  const turns = await withDeadline(Promise.all(asked), setup.deadlineMs, "everybody's turn");
  const tookMs = (Ledger.nowUs() - startedUs) / 1_000;
  const after = await readCost(client);
  await Promise.all(crowd.members.map((member) => member.request("close")));
  await using ledger = new Ledger(ledgerStore.url);
  await ledger.assertNoOverlap();
  return {
    turns: turns.flat().toSorted((left, right) => left.enteredUs - right.enteredUs),
    ...{ tookMs, restingCommandsASecond },
    commands: after.commands - before.commands,
    storeCpuMs: after.cpuMs - before.cpuMs,
  };
}

/** Pairs of turns that overlap, and turns whose token does not grow. Empty: one at a time, in the order of tokens. */
export function findOverlaps(turns: readonly Turn[]): string[] {
  return turns.slice(1).flatMap((turn, i) => {
    const previous = turns[i];
    if (!previous || (previous.leftUs <= turn.enteredUs && previous.token < turn.token)) return [];
    return [`${JSON.stringify(previous)} overlaps ${JSON.stringify(turn)}`];
  });
}

async function openCrowd(setup: CrowdSetup, port: number, ledgerUrl: string) {
  const { processes, lockersEach, turns, sectionMs, limits, settings, jitterMs } = setup;
  const children: Child[] = [];
  const dispose = () => Promise.all(children.map((child) => child[Symbol.asyncDispose]()));
  const members: Child[] = [];
  const spawn = async (name: string): Promise<Child> => {
    const child = await spawnChild(new URL(`./fixtures/${name}-process.js`, import.meta.url));
    children.push(child);
    return child;
  };
  const add = async (i: number): Promise<void> => {
    const proxy = await spawn("proxy");
    const url = await proxy.request<string>("open", port, jitterMs);
    const member = await spawn("crowd");
    members.push(member);
    const own = { url, ledgerUrl, key: "crowd", name: `p${i}`, lockers: lockersEach };
    await member.request("open", { ...own, turns, sectionMs, limits, settings } satisfies MembersSetup);
  };
  try {
    for (let i = 0; i < processes; i++) await add(i);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { members, [Symbol.asyncDispose]: async () => void (await dispose()) };
}

/** What the pings of a crowd cost that wants nothing. */
async function measureRest(client: Redis): Promise<number> {
  const [before, startedUs] = [await readCost(client), Ledger.nowUs()];
  await new Promise((resolve) => setTimeout(resolve, 1_000)); // waits: a rate needs a time
  const after = await readCost(client);
  return ((after.commands - before.commands) * 1e6) / (Ledger.nowUs() - startedUs);
}

/** Scripts sent by clients, which is all that a locker sends once it runs; and the server's own time. */
async function readCost(client: Redis): Promise<{ commands: number; cpuMs: number }> {
  const [stats, cpu] = [await client.info("commandstats"), await client.info("cpu")];
  const calls = [...stats.matchAll(/^cmdstat_(?:eval|evalsha):calls=(\d+)/gm)].map(([, count]) => Number(count));
  const seconds = [...cpu.matchAll(/^used_cpu_(?:user|sys):([\d.]+)/gm)].map(([, value]) => Number(value));
  const sum = (numbers: number[]): number => numbers.reduce((total, one) => total + one, 0);
  return { commands: sum(calls), cpuMs: sum(seconds) * 1_000 };
}
