// Everything one schedule needs: the store, a proxy and a place for each member, and the one history of all of them.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HistoryEvent } from "../history/history.js";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.js";
import type { Backend, Store } from "./backend.js";
import type { ClockShim, SteppedClock } from "./clock-shim.js";
import { limitsOf } from "./fleets.js";
import type { Victim } from "./condemnations.js";
import { JournalReader, nowMs, type Condemnation } from "./journal.js";
import type { FaultKind } from "./kinds.js";
import { Place } from "./member-process.js";
import type { Deposition } from "./relaxations.js";
import type { Schedule } from "./schedule.js";

export type WorldDeps = {
  readonly backend: Backend;
  readonly shim: ClockShim | undefined;
  readonly registerUrl: string;
  /** Kinds of fault that this machine cannot produce, and why. */
  readonly notRun: ReadonlyMap<FaultKind, string>;
  /** Jobs at a time in each process. */
  readonly loops?: number;
};

export type Seat = {
  readonly place: Place;
  readonly proxy: TcpProxy;
  /** Of two stores: that to the second one. */
  readonly second: TcpProxy | undefined;
  readonly clock: SteppedClock | undefined;
};

export class World implements AsyncDisposable {
  readonly schedule: Schedule;
  readonly store: Store;
  readonly seats: readonly Seat[];
  readonly keys: readonly string[];
  readonly registerPrefix: string;
  readonly #directory: string;
  readonly #own: HistoryEvent[] = [];
  readonly #journals: JournalReader[] = [];
  /** All that ever were, by pid. */
  readonly #processes = new Map<number, string>();
  readonly #victims = new Map<number, Victim>();

  private constructor(schedule: Schedule, store: Store, directory: string, registerPrefix: string) {
    this.schedule = schedule;
    this.store = store;
    this.#directory = directory;
    this.registerPrefix = registerPrefix;
    // Where there are several keys the last is a pool of permits.
    const poolFrom = schedule.keys > 3 ? schedule.keys - 1 : Infinity;
    this.keys = Array.from({ length: schedule.keys }, (_, i) => `${i < poolFrom ? "job" : "pool"}-${i + 1}`);
    this.seats = [];
  }

  /** Resolves once every member's locker is open. */
  static async open(schedule: Schedule, deps: WorldDeps): Promise<World> {
    const directory = await mkdtemp(join(tmpdir(), "pulselock-chaos-"));
    const store = await deps.backend.start(schedule, { directory, shim: deps.shim });
    const world = new World(schedule, store, directory, `${directory.slice(-6)}:`);
    try {
      for (let i = 0; i < schedule.processes; i++) (world.seats as Seat[]).push(await world.#seat(i, deps));
      store.onMoved((port) => world.seats.forEach(({ proxy }) => (proxy.targetPort = port)));
      await Promise.all(world.seats.map(({ place }) => place.start()));
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  seat(name: string): Seat {
    const seat = this.seats.find(({ place }) => place.name === name);
    if (!seat) throw new RangeError(`no process is called ${name}`);
    return seat;
  }

  /** What the harness did, on the clock of the members. */
  note(kind: "started" | "killed", process: string): void {
    this.#own.push({ kind, process, atMs: nowMs() });
  }
  noteFault(fault: string, target: string, begins: boolean, value?: number): void {
    const strength = value === undefined ? {} : { value };
    this.#own.push({ kind: "fault", process: "harness", atMs: nowMs(), fault, target, begins, ...strength });
  }

  /** In the order of its stamps. */
  history(): HistoryEvent[] {
    for (const journal of this.#journals) journal.read();
    const told = this.#journals.flatMap(({ events }) => events);
    return [...this.#own, ...this.#seen(), ...told].toSorted((a, b) => a.atMs - b.atMs);
  }

  /** As far as history() has read. */
  get condemnations(): Condemnation[] {
    return this.#journals.flatMap(({ condemnations }) => condemnations);
  }

  /** Who condemned whom, by the runs of processes. */
  get depositions(): Deposition[] {
    return this.condemnations.flatMap(({ atMs, process, pid }) => {
      const victim = this.#processes.get(pid);
      return victim === undefined ? [] : [{ atMs, by: process, victim }];
    });
  }

  victimOf(pid: number): Victim | undefined {
    return this.#victims.get(pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.seats.map(({ place }) => place[Symbol.asyncDispose]()));
    await Promise.all(this.seats.flatMap(({ proxy, second }) => [proxy, second].map(endProxy)));
    for (const { clock } of this.seats) clock?.close();
    await this.store[Symbol.asyncDispose]();
    await rm(this.#directory, { recursive: true, force: true });
  }

  #seen(): HistoryEvent[] {
    return (this.store.seen?.() ?? []).flatMap(({ kind, target, fromMs, toMs }) => {
      const fault = { kind: "fault", process: "harness", fault: kind, target } as const;
      return [
        { ...fault, atMs: fromMs, begins: true },
        { ...fault, atMs: toMs, begins: false },
      ];
    });
  }

  async #seat(index: number, { shim, registerUrl, loops = 3 }: WorldDeps): Promise<Seat> {
    const { schedule, store, keys, registerPrefix } = this;
    const name = `p${index + 1}`;
    const limits = limitsOf(schedule.fleet, index);
    const proxy = await startProxy(store.port);
    const others: number[] = [];
    for (const port of store.otherPorts ?? []) others.push(await proxy.addDoor(port));
    const clock = shim?.clock();
    // One file for a place: the runs of its processes follow one another.
    const journalPath = join(this.#directory, `${name}.jsonl`);
    this.#journals.push(new JournalReader(journalPath));
    const setup = { journalPath, keys, loops, limits: limits.locker, registerUrl, registerPrefix };
    const second = store.secondPort === undefined ? undefined : await startProxy(store.secondPort);
    const doors = { port: proxy.port, others, ...(second && { second: second.port }) };
    const database = store.describe(doors, limits, schedule.hosts === "many" ? `host-${name}` : undefined);
    const place = new Place({
      ...{ name, clock, setup, database, seed: schedule.seed + index * 1_000 },
      onChange: (process, kind, pid) => {
        this.note(kind, process);
        const { sessionTtlMs } = limits.locker;
        this.#processes.set(pid, process);
        if (kind === "started") this.#victims.set(pid, { process, place: name, sessionTtlMs });
        else this.#victims.delete(pid);
      },
    });
    return { place, proxy, second, clock };
  }
}

async function endProxy(proxy: TcpProxy | undefined): Promise<void> {
  await proxy?.[Symbol.asyncDispose]();
}
