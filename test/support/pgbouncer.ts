// A pooler that gives each transaction another connection of few, as many run in front of their PostgreSQL.

import { spawn } from "node:child_process";
import { chownSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./ports.js";
import { openClient } from "./postgres-server.js";
import { postgresProgram, unprivileged } from "./postgres-programs.js";
import { guardProcess } from "./process-guard.js";
import { waitUntil } from "./wait.js";

export interface Pooler extends AsyncDisposable {
  readonly url: string;
}

export async function startPgbouncer(serverUrl: string, poolSize = 4): Promise<Pooler> {
  const { hostname, port: serverPort, username, pathname } = new URL(serverUrl);
  const dir = await mkdtemp(join(tmpdir(), "pulselock-pgbouncer-"));
  const port = await freePort();
  const config = [
    "[databases]",
    `* = host=${hostname} port=${serverPort} user=${username}`,
    "[pgbouncer]",
    "listen_addr = 127.0.0.1",
    `listen_port = ${port}`,
    "unix_socket_dir =",
    "auth_type = any",
    "pool_mode = transaction",
    `default_pool_size = ${poolSize}`,
    "max_client_conn = 200",
    `logfile = ${join(dir, "pgbouncer.log")}`,
    "",
  ];
  await writeFile(join(dir, "pgbouncer.ini"), config.join("\n"));
  const as = unprivileged();
  if (as) chownSync(dir, as.uid, as.gid);
  const child = spawn(postgresProgram("pgbouncer"), [join(dir, "pgbouncer.ini")], { ...as, cwd: dir, stdio: "ignore" });
  guardProcess(child, dir);
  const url = `postgres://${username}@127.0.0.1:${port}${pathname}`;
  const answers = async (): Promise<boolean> => {
    const client = await openClient(url).catch(() => undefined);
    await client?.end();
    return client !== undefined;
  };
  await waitUntil(answers, true, { deadlineMs: 15_000, what: "pgbouncer answers" });
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await rm(dir, { recursive: true, force: true });
    },
  };
}
