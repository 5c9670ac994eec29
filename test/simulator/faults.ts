// The faults of the simulated world: what they are, how a seed chooses them, what each does.

import { mulberry32 } from "../support/wait.js";
import type { Fault, Scenario } from "../history/scenario.js";
import { HARMLESS_ALONE, HOLDER, KINDS, LOSES_MEMORY, type Kind } from "./kinds.js";
import type { SimServer } from "./server.js";
import type { SimProcess } from "./process.js";
import type { World } from "./world.js";

/**
 * What happens in the world of that seed. At most one loss of memory: two within
 * one partition of the same holder are left to the fencing token (README), and so is a clock that steps while the
 * store has no memory.
 */
export function makeScenario(seed: number): Scenario {
  const random = mulberry32(seed);
  const between = (from: number, to: number) => from + random() * (to - from);
  const isSingle = random() < 0.1;
  const kinds = isSingle ? [...HARMLESS_ALONE] : chooseKinds(random);
  const processes = 2 + Math.floor(between(0, 2.5));
  const durationMs = Math.round(between(1_500, 3_000));
  const faults: Fault[] = [];
  let lossAllowed = true;
  let atMs = between(300, 1_200);
  for (let left = isSingle ? 1 : Math.floor(between(2, 9)); left > 0 && atMs < durationMs; left--) {
    const kind = kinds[Math.floor(random() * kinds.length)]!;
    const some = kind !== "hold-acquire" && random() < 0.5 ? HOLDER : `p${Math.floor(random() * processes)}`;
    const target = KINDS[kind].of === "store" ? "store" : some;
    const fault = { atMs: Math.round(atMs), kind, target, durationMs: chooseDurationMs(random), value: random() };
    // Faults come in pairs more often than alone: one at a time finds little.
    atMs += random() < 0.6 ? random() ** 2 * 600 : between(200, 1_200);
    if (LOSES_MEMORY.has(kind) && !lossAllowed) continue;
    if (LOSES_MEMORY.has(kind)) lossAllowed = false;
    faults.push(fault);
  }
  const keys = random() < 0.6 ? 1 : 2 + Math.floor(random() * 1.4);
  return { processes, keys, durationMs, faults, seed };
}

/** A few kinds that go together find more than all of them mixed. */
const THEMES: readonly (readonly Kind[])[] = [
  Object.keys(KINDS) as Kind[],
  ["stop", "kill", "block", "crash-worker", "block-worker", "stall", "step-wall"],
  [
    "cut",
    "refuse",
    "hold-up",
    "hold-down",
    "hold-both",
    "hold-acquire",
    "latency",
    "loss",
    "lost-replies",
    "step-clock",
  ],
  ["flush", "restart-empty", "restart-old", "restart", "stop", "block", "hold-both", "hold-acquire", "crash-worker"],
  ["cut", "refuse", "step-clock", "latency", "hold-down"],
  ["stop", "hold-both", "hold-down", "flush", "restart-old", "crash-worker"],
  ["silence", "silence-lag", "hold-both", "hold-down", "cut", "kill", "stop", "restart"],
];

/** Some worlds have gentle faults only. */
function chooseKinds(random: () => number): readonly Kind[] {
  if (random() < 0.2) return (Object.keys(KINDS) as Kind[]).filter((kind) => "gentle" in KINDS[kind]);
  return THEMES[Math.floor(random() * THEMES.length)]!;
}

/** Most of them lie around a limit of the protocol (LIMITS in simulation.ts), where its decisions change. */
function chooseDurationMs(random: () => number): number {
  if (random() < 0.3) return Math.round(20 + random() ** 2 * 2_600);
  const limits = [300, 500, 800, 1_000, 1_000, 1_500, 2_500];
  return Math.round(limits[Math.floor(random() * limits.length)]! * (0.8 + random() * 0.7));
}

export type Stage = {
  world: World;
  server: SimServer;
  /** The process of that name that runs now, if any does. */
  find(name: string): SimProcess | undefined;
  processes(): readonly SimProcess[];
  /** Starts another one under that name. */
  respawn(name: string): void;
  onMemoryLoss(): void;
};

/** Begins the fault; the function returned ends it. Ending it twice does nothing more. */
export function begin(fault: Fault, stage: Stage): () => void {
  if (KINDS[fault.kind as Kind].of === "store") return beginOfStore(fault, stage);
  const process = stage.find(fault.target);
  return process ? beginOfProcess(fault, process, stage) : () => {};
}

function beginOfProcess(fault: Fault, process: SimProcess, stage: Stage): () => void {
  const { path, main, worker } = process;
  const { durationMs, value = 0 } = fault;
  switch (fault.kind as Kind) {
    case "stop":
      process.stop();
      return () => process.resume();
    case "kill":
      process.kill();
      return () => stage.respawn(process.name);
    case "block":
      void main.block(durationMs);
      return () => {};
    case "block-worker":
      void worker?.block(durationMs);
      return () => {};
    case "crash-worker":
      process.crashWorker();
      return () => {};
    case "step-wall":
      process.wallOffsetMs += (value - 0.5) * 4 * durationMs;
      return () => {};
    case "loss":
      path.loss = 0.1 + 0.3 * value;
      return () => void (path.loss = 0);
    case "latency":
      path.latencyMs = value * 400;
      return () => void (path.latencyMs = 0);
    case "refuse":
      path.isRefused = true;
      return () => void (path.isRefused = false);
    case "cut":
      for (const connection of [...path.connections]) stage.server.reset(connection);
      path.isRefused = value < 0.5;
      return () => void (path.isRefused = false);
    case "lost-replies":
      path.lostReplies = 1 + Math.floor(value * 3);
      return () => void (path.lostReplies = 0);
    case "hold-acquire":
      path.holdFromAcquire();
      return () => path.heal(value < 0.2);
    default:
      path.hold(fault.kind === "hold-up" ? ["up"] : fault.kind === "hold-down" ? ["down"] : ["up", "down"]);
      return () => path.heal(value < 0.5);
  }
}

function beginOfStore(fault: Fault, { world, server, processes, onMemoryLoss }: Stage): () => void {
  const { durationMs, value = 0 } = fault;
  const snapshot = server.redis.snapshot();
  const lose = (data: Parameters<SimServer["comeUp"]>[0]) => () => {
    if (data !== "kept") onMemoryLoss();
    server.comeUp(data);
  };
  switch (fault.kind as Kind) {
    case "stall":
      server.stall();
      return () => server.resume();
    case "kill-connections":
      server.resetAll();
      return () => {};
    case "restart":
      server.goDown();
      return lose("kept");
    case "silence":
    case "silence-lag":
      // Its connections stay open until another has taken its place, which lacks what was done last.
      world.after(fault.kind === "silence" ? 0 : Math.min(value * 80, durationMs / 2), () => server.stall());
      return () => {
        server.goDown();
        lose(fault.kind === "silence" ? "kept" : snapshot)();
      };
    case "restart-empty":
      server.goDown();
      return lose("empty");
    case "restart-old":
      // What it comes back with is what it had now; it goes down only later.
      world.after(durationMs * 0.8, () => server.goDown());
      return lose(snapshot);
    case "flush":
      onMemoryLoss();
      server.redis.flushAll();
      return () => {};
    case "outage": {
      const paths = processes().map(({ path }) => path);
      for (const path of paths) path.hold(["up", "down"]);
      return () => paths.forEach((path) => path.heal(value < 0.5));
    }
    case "memory-full":
      server.redis.memoryFull = true;
      return () => void (server.redis.memoryFull = false);
    case "step-clock":
      // Half of them are too small to be noticed: the margins are for those.
      server.clockOffsetMs += value < 0.5 ? value * 190 : (value - 0.75) * durationMs;
      return () => {};
    default:
      server.duplicates = value / 2;
      return () => void (server.duplicates = 0);
  }
}
