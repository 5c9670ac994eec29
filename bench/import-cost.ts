// What it costs to have the package: the time of its import, and the room it takes with all that it brings along.

import { execFile } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createConsumer } from "../test/support/consumer.js";
import { installedRoom, type Room } from "./support/installed.js";
import { rounds, type Answer, type Bound, type Question, type Series, type Setting } from "./support/question.js";

const run = promisify(execFile);

export const importCost: Question = {
  name: "import-cost",
  asks: "import of the packed package in a fresh process, and its size on disk with dependencies",
  runs: 15,
  ask: measure,
};

type Subject = { locker: string; folder: string; packageName: string; times: number[] };

async function measure(setting: Setting): Promise<Answer> {
  await using consumer = await createConsumer();
  const theirs = dirname(fileURLToPath(setting.peers.module("redlock")));
  const others = ["redlock", "redlock-4", "redis-semaphore", "redlock-universal"];
  const subjects: Subject[] = [
    { locker: "pulselock", folder: consumer.folder, packageName: "pulselock", times: [] },
    { locker: "bare", folder: consumer.folder, packageName: "ioredis", times: [] },
    ...others.map((name): Subject => ({ locker: name, folder: theirs, packageName: name, times: [] })),
  ];
  for (const round of rounds(setting)) {
    const first = round % subjects.length;
    for (const subject of [...subjects.slice(first), ...subjects.slice(0, first)]) {
      subject.times.push(await importMs(subject));
    }
  }
  const rooms = new Map(
    subjects.map(({ locker, folder, packageName }) => {
      const names = locker === "pulselock" ? [packageName] : [packageName, "ioredis"];
      return [locker, installedRoom(folder, names)];
    }),
  );
  const row = (label: string, of: (room: Room) => number, bound?: Bound): Series[] =>
    subjects.map(({ locker }): Series => {
      const due = locker === "pulselock" && bound ? { bound } : {};
      return { label, locker, unit: "MB", samples: [of(rooms.get(locker)!) / 1e6], ...due };
    });
  return {
    series: [
      ...subjects.map(({ locker, times }): Series => {
        const bound = locker === "pulselock" ? { bound: { of: "p50", atMost: 60 } as const } : {};
        return { label: "import", locker, unit: "ms", samples: times, ...bound };
      }),
      ...row("installed, with ioredis: all files", ({ bytes }) => bytes, { of: "every", atMost: 5 }),
      ...row("… in whole blocks of the disk", ({ onDisk }) => onDisk),
    ],
    notes: [
      "bare: ioredis alone. None of the others loads a client by its import either: whoever uses it imports one",
      "installed: what npm puts into an empty project on this platform, without optional peers",
    ],
  };
}

async function importMs({ folder, packageName }: Subject): Promise<number> {
  const program = `const from = performance.now(); await import(${JSON.stringify(packageName)});
    console.log(performance.now() - from); process.exit();`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", program], { cwd: folder });
  return Number(stdout);
}
