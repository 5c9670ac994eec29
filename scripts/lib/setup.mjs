// Everything a fresh clone lacks: packages, a Redis, a build. Each function does nothing when nothing is missing.

import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.mjs";
import { isBuildStale } from "./build-stamp.mjs";
import { fail, findProgram, root, runQuietly, step } from "./steps.mjs";

/** npm writes both lock files at the end of one install, in either order. */
const lockSlackMs = 2_000;

/** Runs `npm ci` when node_modules is missing or older than package-lock.json. */
export async function ensureDependencies() {
  const installed = join(root, "node_modules", ".package-lock.json");
  const wanted = statSync(join(root, "package-lock.json")).mtimeMs;
  if (existsSync(installed) && statSync(installed).mtimeMs + lockSlackMs >= wanted) {
    step("dependencies: installed");
    return;
  }
  step("dependencies: installing what package-lock.json lists (npm ci)");
  // The build and the tests need the development packages, also where NODE_ENV says production.
  await runQuietly("npm", ["ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"]);
}

/** Makes sure that there is a redis-server to start, or that REDIS_URL names one that runs. */
export async function ensureRedis() {
  const program = findProgram("redis-server");
  if (program) return step("redis: redis-server is installed");
  if (process.env.REDIS_URL) return step("redis: the one at REDIS_URL; tests that break servers need redis-server");
  if (findProgram("apt-get")) await installWithApt("redis-server");
  else if (process.platform === "darwin" && findProgram("brew")) await installWithBrew("redis");
  else fail("redis: install redis-server (6.2 or newer) so that it is on PATH, or set REDIS_URL to a running one");
  if (!findProgram("redis-server")) fail("redis: installed, but redis-server is not on PATH");
}

/** Makes sure that there are a PostgreSQL and a pooler to start. */
export async function ensurePostgres() {
  if (findPostgres()) return step("postgres: a server and a pooler are installed");
  if (findProgram("apt-get")) await installWithApt("postgresql", "pgbouncer");
  else if (process.platform === "darwin" && findProgram("brew")) await installWithBrew("postgresql", "pgbouncer");
  else fail("postgres: install PostgreSQL (12 or newer) and pgbouncer");
  if (!findPostgres()) fail("postgres: installed, but its programs were not found");
}

/** Debian keeps its programs off PATH, in a folder a version. */
function findPostgres() {
  const versions = "/usr/lib/postgresql";
  const names = existsSync(versions) ? readdirSync(versions) : [];
  const hasPooler = findProgram("pgbouncer") || existsSync("/usr/sbin/pgbouncer");
  const hasServer = findProgram("initdb") || names.some((name) => existsSync(join(versions, name, "bin", "initdb")));
  return Boolean(hasPooler && hasServer);
}

/** Makes sure that certificates can be made. */
export async function ensureOpenssl() {
  if (findProgram("openssl")) return step("openssl: installed");
  if (!findProgram("apt-get")) fail("openssl: install it so that it is on PATH");
  await installWithApt("openssl");
  if (!findProgram("openssl")) fail("openssl: installed, but it is not on PATH");
}

/** Builds when a source is newer than the last build. */
export async function ensureBuild() {
  const reason = isBuildStale();
  if (!reason) return step("build: up to date");
  step(`build: needed, ${reason}`);
  if ((await build()) !== 0) fail("build: failed, see above");
}

/** Makes sure that there are spin and a C compiler for the model. */
export async function ensureModelChecker() {
  const missing = ["spin", "gcc"].filter((name) => !findProgram(name));
  if (missing.length === 0) return step("model: spin and gcc are installed");
  if (findProgram("apt-get")) await installWithApt(...missing, "libc6-dev");
  else if (process.platform === "darwin" && findProgram("brew")) await installWithBrew(...missing);
  else fail(`model: install ${missing.join(" and ")} so that they are on PATH`);
  for (const name of missing) if (!findProgram(name)) fail(`model: installed, but ${name} is not on PATH`);
}

async function installWithApt(...packages) {
  const names = packages.join(" ");
  const isRoot = process.getuid?.() === 0;
  const sudo = isRoot ? [] : ["sudo", "-n"];
  if (!isRoot && !findProgram("sudo")) fail(`run as root or with sudo: apt-get install ${names}`);
  // Run level 1 makes the package leave its service alone: the tests start servers of their own. If one starts all
  // the same, it sits on port 6379, which no test uses.
  const apt = (...args) => {
    const [command, ...rest] = [...sudo, "env", "RUNLEVEL=1", "DEBIAN_FRONTEND=noninteractive", "apt-get", ...args];
    return runQuietly(command, rest);
  };
  step("updating the package lists (apt-get update)");
  await apt("-qq", "update");
  step(`installing ${names} (apt-get install)`);
  await apt("-qq", "install", "--yes", "--no-install-recommends", ...packages);
}

async function installWithBrew(...packages) {
  step(`installing ${packages.join(" ")} (brew install)`);
  await runQuietly("brew", ["install", "--quiet", ...packages]);
}
