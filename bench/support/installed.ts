// What packages take on disk, with all that they need.

import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

type Manifest = Partial<Record<"dependencies" | "optionalDependencies", Record<string, string>>>;

/** `bytes`: of the files, as npm has it; `onDisk`: in whole blocks. */
export type Room = { bytes: number; onDisk: number };

/** What these packages of a project and what they depend on take, as far as it is installed; optional peers not. */
export function installedRoom(project: string, names: readonly string[]): Room {
  const found = new Set<string>();
  for (const name of names) collect(project, name, found);
  return sum([...found].map(roomOf));
}

function sum(rooms: readonly Room[]): Room {
  return rooms.reduce((a, b) => ({ bytes: a.bytes + b.bytes, onDisk: a.onDisk + b.onDisk }), { bytes: 0, onDisk: 0 });
}

function collect(from: string, name: string, found: Set<string>): void {
  const folder = locate(from, name);
  if (folder === undefined || found.has(folder)) return;
  found.add(folder);
  const { dependencies, optionalDependencies } = JSON.parse(
    readFileSync(join(folder, "package.json"), "utf8"),
  ) as Manifest;
  for (const needed of Object.keys({ ...dependencies, ...optionalDependencies })) collect(folder, needed, found);
}

/** As Node looks for it: from folder to folder upwards. What is optional may be nowhere. */
function locate(from: string, name: string): string | undefined {
  const folder = join(from, "node_modules", name);
  if (existsSync(join(folder, "package.json"))) return folder;
  return dirname(from) === from ? undefined : locate(dirname(from), name);
}

/** Of a package's own files: what lies in its node_modules is another package, and counted as such. */
function roomOf(folder: string): Room {
  const entries = readdirSync(folder, { withFileTypes: true }).filter(({ name }) => name !== "node_modules");
  return sum(
    entries.map((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return roomOf(path);
      const { size, blocks } = statSync(path);
      return { bytes: size, onDisk: blocks * 512 };
    }),
  );
}
