// Runs an example in several processes, as several pods of a deployment would run it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Locker } from "../../src/index.js";

export const EXAMPLES = ["cron", "mail-pool", "leader", "payments"] as const;
export type Example = (typeof EXAMPLES)[number];

/** Resolves when all have ended by themselves; rejects, and ends the others, when one ended otherwise. */
export async function runPods(
  example: Example,
  { url, pods, onLine }: { url: string; pods: number; onLine(pod: string, line: string): void },
): Promise<void> {
  await openNamespace(url);
  const children = Array.from({ length: pods }, () =>
    spawn(process.execPath, [fileURLToPath(new URL(`./${example}.js`, import.meta.url))], {
      env: { ...process.env, REDIS_URL: url },
      stdio: ["ignore", "pipe", "inherit"],
    }),
  );
  const killAll = (): void => children.forEach((child) => child.kill("SIGKILL"));
  process.once("exit", killAll);
  try {
    await Promise.all(
      children.map(async (child, index) => {
        const pod = `pod-${index + 1}`;
        createInterface(child.stdout).on("line", (line) => onLine(pod, line));
        const [code, signal] = (await once(child, "close")) as [number | null, string | null];
        if (code !== 0) throw new Error(`${pod} ended with ${signal ?? code}`);
      }),
    );
  } finally {
    killAll();
    process.off("exit", killAll);
  }
}

/** Nothing is granted in a store that may just have lost its memory, nor in a new one: not the example's time. */
async function openNamespace(url: string): Promise<void> {
  await using locker = new Locker({ database: url });
  await locker.acquireAndRun("first use", () => undefined);
}
