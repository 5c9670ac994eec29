// 20 % of all packets are lost for ten seconds, with the limits that applications have: who loses what?

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { spawnChild, type Child } from "../support/child.js";
import { guardProcess } from "../support/process-guard.js";
import { startRedis } from "../support/redis-server.js";
import { startProxy } from "../support/tcp-proxy.js";
import { withDeadline } from "../support/wait.js";
import { Ledger } from "../faults/fixtures/ledger.js";
import { isolated, losePackets, lossyAddress, type Losses } from "./namespace.js";

/** Who speaks to the store through the loss. Contenders without it could judge those with it. */
export type Scenario = "everybody" | "holders";

export type LossSetup = {
  readonly scenario: Scenario;
  /** "packets": must run in a network of its own, see namespace.ts. */
  readonly by: "packets" | "emulation";
  readonly percent: number;
  readonly lossMs: number;
  /** Also kills one process in the middle of it: its keys are the only ones that may be taken. */
  readonly kill: boolean;
};

/** Crosses to the process as JSON. */
export type ProcessSetup = { readonly url: string; readonly ledgerUrl: string; readonly holds: readonly string[] };

export type JobReport = {
  readonly key: string;
  yes: number;
  /** Writes after a yes that the ledger refused. */
  refused: number;
  /** Spent in heartbeats that could not say yes at once, ms. */
  unsureMs: number;
  longestMs: number;
  /** "" when it was stopped, else why it ended before: it lost its lease. */
  ended: string;
};

export type ProcessReport = {
  readonly pid: number;
  readonly jobs: JobReport[];
  readonly takeovers: { readonly key: string; readonly atUs: number }[];
  readonly condemned: string[];
  readonly tries: number;
  readonly failures: Record<string, number>;
};

export type LossReport = {
  readonly processes: ProcessReport[];
  /** Undefined: emulated. */
  readonly losses: Losses | undefined;
  /** Keys of the killed process, and how long after its death each was taken, ms. */
  readonly killedKeys: number;
  readonly takeoverMs: number[];
  /** Takeovers of a key whose owner lived. */
  readonly robbed: string[];
  readonly accepted: number;
  readonly refused: number;
};

const jobsEach = 5;
/** What is lost at the end of the loss may show up to a session TTL later. */
const afterMs = 3_000;

export async function runLoss(setup: LossSetup): Promise<LossReport> {
  const isReal = setup.by === "packets";
  await using redis = await startRedis(isReal ? { extraArgs: ["--bind", "127.0.0.1", lossyAddress] } : {});
  await using ledgerStore = await startRedis();
  await using proxy = await startProxy(redis.port);
  await using ledger = new Ledger(ledgerStore.url);
  const lossyUrl = isReal ? `redis://${lossyAddress}:${redis.port}` : proxy.url;
  const plan = planOf(setup.scenario).map(({ isLossy, holds }) => ({ url: isLossy ? lossyUrl : redis.url, holds }));
  const keys = plan.flatMap(({ holds }) => holds);
  await using fleet = await openFleet(plan, ledgerStore.url);
  await Promise.all(
    fleet.members.map((member, i) =>
      member.request(
        "contend",
        keys.filter((key) => !plan[i]?.holds.includes(key)),
      ),
    ),
  );
  await pause(1_000);
  const end = isReal ? await losePackets(setup.percent) : emulate(proxy, setup.percent / 100);
  let killedAtUs = Infinity;
  await pause(setup.lossMs / 2);
  if (setup.kill) {
    killedAtUs = Ledger.nowUs();
    await fleet.members[0]?.kill("SIGKILL");
  }
  await pause(setup.lossMs / 2);
  const losses = await end();
  await pause(afterMs);
  const living = setup.kill ? fleet.members.slice(1) : fleet.members;
  const stopping = living.map((member) => member.request<ProcessReport>("stop"));
  const processes = await withDeadline(Promise.all(stopping), 30_000, "the processes' reports");
  const killed = setup.kill ? (plan[0]?.holds ?? []) : [];
  const takeovers = processes.flatMap((process) => process.takeovers);
  return {
    ...{ processes, losses, killedKeys: killed.length },
    takeoverMs: takeovers.filter(({ key }) => killed.includes(key)).map(({ atUs }) => (atUs - killedAtUs) / 1_000),
    robbed: takeovers.filter(({ key, atUs }) => !killed.includes(key) || atUs < killedAtUs).map(({ key }) => key),
    ...(await ledger.assertNoOverlap()),
  };
}

/** What may not happen at 20 % for ten seconds: empty when all went well. */
export function failuresOf({ processes, robbed, refused, killedKeys, takeoverMs }: LossReport): string[] {
  const lost = processes.flatMap(({ jobs }) => jobs).filter(({ ended }) => ended !== "");
  const failures = lost.map(({ key, ended }) => `${key} was lost: ${ended}`);
  for (const key of robbed) failures.push(`${key} was taken from a living process`);
  if (refused > 0) failures.push(`${refused} writes after a yes were refused`);
  const left = killedKeys - takeoverMs.length;
  if (left > 0) failures.push(`${left} keys of the killed process were not taken`);
  return failures;
}

/** The same with real packets, in a process whose network is its own. */
export async function runLossIsolated(setup: Omit<LossSetup, "by">): Promise<LossReport> {
  const self = fileURLToPath(new URL("./fixtures/isolated.js", import.meta.url));
  const { command, args } = isolated([process.execPath, self, JSON.stringify({ ...setup, by: "packets" })]);
  const env = { ...process.env };
  delete env["NODE_TEST_CONTEXT"]; // it is no test file that reports to the runner
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env });
  guardProcess(child);
  let [output, errors] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const code = await new Promise((resolve) => child.once("close", resolve));
  if (code !== 0) throw new Error(`the processes in a network of their own ended with ${String(code)}: ${errors}`);
  return JSON.parse(output.trim().split("\n").at(-1) ?? "") as LossReport;
}

/** Four processes with jobs; or two that have them, and two that only want them and lose no packets. */
function planOf(scenario: Scenario): { isLossy: boolean; holds: string[] }[] {
  return [0, 1, 2, 3].map((process) => {
    const isHolder = scenario === "everybody" || process < 2;
    const jobs = isHolder ? (scenario === "everybody" ? jobsEach : 2 * jobsEach) : 0;
    return { isLossy: isHolder, holds: Array.from({ length: jobs }, (_, job) => `job-${process}-${job}`) };
  });
}

async function openFleet(plan: readonly Omit<ProcessSetup, "ledgerUrl">[], ledgerUrl: string) {
  const members: Child[] = [];
  const dispose = async (): Promise<void> => {
    await Promise.all(members.map((member) => member[Symbol.asyncDispose]()));
  };
  try {
    for (const { url, holds } of plan) {
      const member = await spawnChild(new URL("./fixtures/loss-process.js", import.meta.url));
      members.push(member);
      await member.request("open", { url, ledgerUrl, holds } satisfies ProcessSetup);
    }
  } catch (error) {
    await dispose();
    throw error;
  }
  return { members, [Symbol.asyncDispose]: dispose };
}

function emulate(proxy: { lose(rate: number): void }, rate: number): () => Promise<undefined> {
  proxy.lose(rate);
  return () => {
    proxy.lose(0);
    return Promise.resolve(undefined);
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms)); // waits: the loss lasts a while
}
