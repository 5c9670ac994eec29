// A project that uses the packed package, as a stranger's would: installed by npm, outside of ours.

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The project's folder: the tests run from dist/test. */
export const root = fileURLToPath(new URL("../../..", import.meta.url));

/** Under `npm test` the outer npm's settings are in the environment; they name our project, not the consumer's. */
function cleanEnv(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_TEST_CONTEXT)/i.test(name));
  return { ...Object.fromEntries(entries), ...more };
}

/** npm's list of what goes into the package. Without scripts: they would build again under the tests' feet. */
export async function packedFiles(): Promise<string[]> {
  const { stdout } = await run("npm", ["pack", "--dry-run", "--ignore-scripts", "--json"], {
    cwd: root,
    env: cleanEnv(),
  });
  const [packed] = JSON.parse(stdout) as [{ files: { path: string }[] }];
  return packed.files.map(({ path }) => path).sort();
}

export async function createConsumer(): Promise<Consumer> {
  const folder = await mkdtemp(join(tmpdir(), "pulselock-consumer-"));
  const pack = ["pack", "--ignore-scripts", "--json", "--pack-destination", folder];
  const { stdout } = await run("npm", pack, { cwd: root, env: cleanEnv() });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  await writeFile(join(folder, "package.json"), JSON.stringify({ name: "consumer", version: "1.0.0", private: true }));
  const install = [
    "install",
    join(folder, filename),
    "--prefer-offline",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ];
  await run("npm", install, { cwd: folder, env: cleanEnv() });
  return new Consumer(folder);
}

export class Consumer {
  readonly folder: string;

  /** Use createConsumer(). */
  constructor(folder: string) {
    this.folder = folder;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  async write(name: string, text: string): Promise<string> {
    await writeFile(this.path(name), text);
    return this.path(name);
  }

  /** What the program printed. Rejects when it does not end by itself, and well, within 20 s. */
  async node(args: string[], env: Record<string, string> = {}): Promise<string> {
    const { stdout } = await run(process.execPath, args, { cwd: this.folder, env: cleanEnv(env), timeout: 20_000 });
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
