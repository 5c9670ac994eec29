// Counts what clients really send, as the server sees it.

import { randomUUID } from "node:crypto";
import { openRaw, type RawRedis } from "./raw-redis.js";
import { withDeadline } from "./wait.js";

export interface MonitoredCommand {
  /** Lower case: "evalsha". */
  readonly name: string;
  /** The client's address: one per connection. */
  readonly source: string;
  /** Name and arguments, quoted as MONITOR prints them. */
  readonly text: string;
}

export interface CommandCount {
  readonly total: number;
  /** Lower-case command name to how often it was sent. */
  readonly byCommand: Readonly<Record<string, number>>;
  readonly commands: readonly MonitoredCommand[];
}

/**
 * Counts the commands clients send while `during` runs, or for that many ms. Commands that a script calls are not
 * counted, since they cost no round trip; neither are our own. MONITOR never shows AUTH, and slows the server down,
 * so measure either counts or times, not both at once.
 *
 * The span is cut by markers that pass through the server itself, so that nothing is missed at its edges: the end
 * marker is printed after everything that came before it.
 */
export async function countCommands(url: string, during: (() => unknown) | number): Promise<CommandCount> {
  const monitor = await openRaw(url);
  const marker = await openRaw(url);
  try {
    const seen: MonitoredCommand[] = [];
    const watching = nextLine(monitor, (line) => line === "+OK");
    monitor.onLine((line) => {
      const command = parseMonitorLine(line);
      if (command) seen.push(command);
    });
    monitor.send("MONITOR");
    await withDeadline(watching, 5_000, "MONITOR's first reply");
    const from = await passMarker(monitor, marker, seen);
    await (typeof during === "number" ? new Promise((resolve) => setTimeout(resolve, during)) : during());
    const to = await passMarker(monitor, marker, seen);
    const own = seen[to]?.source;
    return summarise(seen.slice(from + 1, to).filter(({ source }) => source !== "lua" && source !== own));
  } finally {
    monitor.close();
    marker.close();
  }
}

/** One line of MONITOR: `+1700000000.123456 [0 127.0.0.1:5000] "get" "key"`. Undefined for any other line. */
export function parseMonitorLine(line: string): MonitoredCommand | undefined {
  const match = /^\+\d+\.\d+ \[\d+ (?<source>[^\]]*(?:\]:\d+)?)\] (?<text>"(?<name>[^"]*)".*)$/.exec(line);
  if (!match?.groups) return undefined;
  const { source = "", text = "", name = "" } = match.groups;
  return { name: name.toLowerCase(), source, text };
}

/** Sends a marker through the server and returns its place among the commands seen. */
async function passMarker(monitor: RawRedis, marker: RawRedis, seen: MonitoredCommand[]): Promise<number> {
  const word = randomUUID();
  const printed = nextLine(monitor, (line) => line.includes(word));
  marker.send("ECHO", word);
  await withDeadline(printed, 10_000, "the marker in MONITOR's output");
  return seen.findIndex(({ text }) => text.includes(word));
}

function nextLine(raw: RawRedis, matches: (line: string) => boolean): Promise<void> {
  return new Promise((resolve) => {
    raw.onLine((line) => {
      if (matches(line)) resolve();
    });
  });
}

function summarise(commands: readonly MonitoredCommand[]): CommandCount {
  const byCommand: Record<string, number> = {};
  for (const { name } of commands) byCommand[name] = (byCommand[name] ?? 0) + 1;
  return { total: commands.length, byCommand, commands };
}
