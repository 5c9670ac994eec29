// A rolling deploy of the package itself: a fleet whose processes are replaced one by one, from the previous build to
// the current one and back, under load; some say goodbye, some are killed. The judge has a Redis of its own.

import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { spawnChild, type Child } from "../support/child.js";
import { root } from "../support/consumer.js";
import { startRedis } from "../support/redis-server.js";
import { mulberry32 } from "../support/wait.js";
import { setTimeout as sleep } from "node:timers/promises";
import type { MemberReport, MemberSpec } from "./fixtures/member.js";
import { Judge } from "./judge.js";
import { startStore, type Backend } from "./stores.js";

const run = promisify(execFile);

const FLEET = 4;
const REPLACE_MS = 1_200;
/** One in so many is killed; the others drain and close. */
const KILLED = 4;
const KEYS = ["a", "b", "c", "p"];

export type DeployReport = {
  replaced: number;
  killed: number;
  /** How often a key went from one version to the other. */
  crossings: number;
  served: Record<string, number>;
  wrong: string[];
};

const WHATS = ["exclusive", "both", "shared", "writer", "permits"];
/** With fewer, the builds have hardly met. */
const CROSSINGS = 20;

/** What went wrong; a deploy in which the builds did not meet shows nothing, and that is wrong, too. */
export function faultsOf({ wrong, killed, replaced, crossings, served }: DeployReport): string[] {
  const faults = [...wrong];
  if (killed === 0 || killed === replaced) faults.push(`of ${replaced} replaced, ${killed} were killed: not some`);
  if (crossings <= CROSSINGS) faults.push(`keys changed versions only ${crossings} times: nothing was mixed`);
  const kinds = ["previous", "current"].flatMap((version) => WHATS.map((what) => `${version} ${what}`));
  return [...faults, ...kinds.filter((kind) => !served[kind]).map((kind) => `no job was served: ${kind}`)];
}

type Member = { spec: MemberSpec; child: Child };
type Builds = { previous: string; current: string };
type Place = Pick<MemberSpec, "backend" | "url" | "judgeUrl">;

export type DeployOptions = {
  backend: Backend;
  ms: number;
  seed: number;
  /** A commit; default the last release. */
  previous?: string | undefined;
};

export async function runDeploy({ backend, ms, seed, previous }: DeployOptions): Promise<DeployReport> {
  const folder = await mkdtemp(join(tmpdir(), "pulselock-deploy-"));
  try {
    const builds = await packBuilds(folder, previous);
    await using store = await startStore(backend);
    await using redis = await startRedis();
    const drill = new Drill({ backend, url: store.url, judgeUrl: redis.url }, folder, builds, seed);
    return await drill.run(ms);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function packBuilds(folder: string, previous?: string): Promise<Builds> {
  const path = pathToFileURL(join(root, "scripts", "lib", "previous-build.mjs")).href;
  const { ensurePreviousBuild, packCurrent } = (await import(path)) as {
    ensurePreviousBuild(commit?: string): Promise<string>;
    packCurrent(folder: string): Promise<string>;
  };
  return { previous: await ensurePreviousBuild(previous), current: await packCurrent(folder) };
}

/** As npm would install it, but with the dependencies that are here, so that no network is needed. */
async function install(tarball: string, folder: string): Promise<void> {
  const modules = join(folder, "node_modules");
  await mkdir(join(modules, "pulselock"), { recursive: true });
  await run("tar", ["-xzf", tarball, "--strip-components=1", "-C", join(modules, "pulselock")]);
  const here = join(root, "node_modules");
  for (const name of await readdir(here)) {
    if (!name.startsWith(".")) await symlink(join(here, name), join(modules, name));
  }
}

class Drill {
  readonly #place: Place;
  readonly #folder: string;
  readonly #builds: Builds;
  readonly #random: () => number;
  readonly #judge: Judge;
  readonly #fleet: Member[] = [];
  readonly #report: DeployReport = { replaced: 0, killed: 0, crossings: 0, served: {}, wrong: [] };
  #started = 0;

  constructor(place: Place, folder: string, builds: Builds, seed: number) {
    this.#place = place;
    this.#folder = folder;
    this.#builds = builds;
    this.#random = mulberry32(seed);
    this.#judge = new Judge(place.judgeUrl);
  }

  /** There and back at least once. */
  async run(ms: number): Promise<DeployReport> {
    try {
      for (let i = 0; i < FLEET; i++) this.#fleet.push(await this.#start("previous"));
      const untilMs = Date.now() + ms;
      for (let i = 0; Date.now() < untilMs || i < 2 * FLEET || i % FLEET !== 0; i++) {
        await sleep(REPLACE_MS); // waits: the fleet is to work mixed for a while
        await this.#replace(i % FLEET, Math.floor(i / FLEET) % 2 === 0 ? "current" : "previous");
      }
      await Promise.all(this.#fleet.map((member) => this.#end(member)));
      this.#report.crossings = await this.#judge.crossings(KEYS);
      return this.#report;
    } finally {
      for (const { child } of this.#fleet) await child[Symbol.asyncDispose]();
      await this.#judge[Symbol.asyncDispose]();
    }
  }

  /** As an orchestrator does: the new one runs before the old one goes. */
  async #replace(at: number, version: keyof Builds): Promise<void> {
    const old = this.#fleet[at]!;
    const fresh = await this.#start(version);
    this.#report.replaced += 1;
    this.#fleet[at] = fresh;
    if (this.#report.replaced % KILLED === 0) await this.#kill(old);
    else await this.#end(old);
  }

  async #start(version: keyof Builds): Promise<Member> {
    const name = `m${++this.#started}`;
    const folder = join(this.#folder, name);
    await install(this.#builds[version], folder);
    const seed = Math.floor(this.#random() * 2 ** 32);
    const spec: MemberSpec = { ...this.#place, name, version, folder, seed };
    const child = await spawnChild(new URL("./fixtures/member.js", import.meta.url), { args: [JSON.stringify(spec)] });
    return { spec, child };
  }

  async #end({ child }: Member): Promise<void> {
    this.#add(await child.request<MemberReport>("end"));
    child.disconnect();
    const { code, signal } = await child.exited;
    if (code !== 0) this.#report.wrong.push(`a member ended with ${signal ?? code}: ${child.stderr.slice(0, 500)}`);
  }

  async #kill({ child, spec }: Member): Promise<void> {
    this.#add(await child.request<MemberReport>("report"));
    await this.#judge.forget(spec.name);
    await child.kill("SIGKILL");
    this.#report.killed += 1;
  }

  #add({ version, served, wrong }: MemberReport): void {
    for (const [what, count] of Object.entries(served)) {
      const name = `${version} ${what}`;
      this.#report.served[name] = (this.#report.served[name] ?? 0) + count;
    }
    this.#report.wrong.push(...wrong);
  }
}
