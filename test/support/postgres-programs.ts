// Where the programs of PostgreSQL are, and as whom they run.

import { execFile, execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

export const run = promisify(execFile);

/** Where the server's programs lie: Debian keeps them off PATH, one folder a version. */
export function postgresProgram(name: string): string {
  const versions = "/usr/lib/postgresql";
  const debian = existsSync(versions)
    ? readdirSync(versions)
        .toSorted((a, b) => Number(b) - Number(a))
        .map((version) => join(versions, version, "bin"))
    : [];
  const folders = [...debian, "/usr/sbin", ...(process.env["PATH"] ?? "").split(delimiter)];
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (!found) throw new Error(`${name} was not found: npm test installs what is missing`);
  return found;
}

/** PostgreSQL refuses to run as root: then it runs as whoever its package made, or as nobody. */
export function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const idOf = (flag: string, name: string) =>
    Number(execFileSync("id", [flag, name], { stdio: ["ignore", "pipe", "ignore"] }));
  for (const name of ["postgres", "nobody"]) {
    try {
      return { uid: idOf("-u", name), gid: idOf("-g", name) };
    } catch {
      continue; // there is no such user
    }
  }
  throw new Error("there is no user as whom PostgreSQL could run");
}

type As = { cwd: string; uid?: number; gid?: number };

/** A fresh cluster, or a copy of one that is to follow it. Without syncing: the machine does not fail, only servers. */
export async function fillData(data: string, user: string, standbyOf: number | undefined, as: As): Promise<void> {
  const fresh = ["-D", data, "-U", user, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
  if (standbyOf === undefined) return void (await run(postgresProgram("initdb"), fresh, as));
  const from = `host=127.0.0.1 port=${standbyOf} user=${user} application_name=standby`;
  await run(postgresProgram("pg_basebackup"), ["-D", data, "-d", from, "-R", "-c", "fast", "--no-sync"], as);
}
