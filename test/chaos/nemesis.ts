// Carries a schedule out: each fault at its time, whatever became of the others.

import type { TcpProxy } from "../support/tcp-proxy.js";
import { mulberry32, withDeadline } from "../support/wait.js";
import type { FaultTools } from "./backend.js";
import { nowMs } from "./journal.js";
import { specOf, type FaultKind } from "./kinds.js";
import { orderMsMax } from "./member-protocol.js";
import { healLink, linkFaults } from "./link-faults.js";
import type { Fault } from "./schedule.js";
import type { Seat, World, WorldDeps } from "./world.js";

/** A fault that could not be brought about: what it was to hit was down, say. It does not count. */
export type Missed = { readonly fault: Fault; readonly why: string };

/** How much longer than it lasts a fault, or a step of the healing, may take: what hangs is to be told by its name. */
const lateMsMax = 30_000;

export type Injected = { readonly faults: number; readonly missed: readonly Missed[] };

/** Resolves when all faults have begun and ended, and everything has been healed. */
export async function runFaults(world: World, notRun: WorldDeps["notRun"]): Promise<Injected> {
  const startMs = nowMs();
  const random = mulberry32(world.schedule.seed ^ 0x5eed);
  const missed: Missed[] = [];
  const runOne = async (fault: Fault): Promise<void> => {
    await sleep(startMs + fault.atMs - nowMs()); // waits: the schedule says when
    const dated = new DatedFault(world, fault);
    try {
      const whyNot = notRun.get(fault.kind);
      if (whyNot !== undefined) throw new Error(`not run here: ${whyNot}`);
      const injected = inject(world, fault, dated.tools, random);
      await withDeadline(injected, fault.durationMs + lateMsMax, `${fault.kind} of ${fault.target}`);
    } catch (error) {
      missed.push({ fault, why: error instanceof Error ? error.message.split("\n")[0]! : String(error) });
    } finally {
      dated.end();
    }
  };
  await Promise.all(world.schedule.faults.map(runOne));
  await sleep(startMs + world.schedule.durationMs - nowMs()); // waits: the work goes on
  await healAll(world);
  return { faults: world.schedule.faults.length - missed.length, missed };
}

/** Writes down when a fault began and ended; one that never began is not written down at all. */
class DatedFault {
  readonly tools: FaultTools;
  readonly #world: World;
  readonly #fault: Fault;
  #hasBegun = false;

  constructor(world: World, fault: Fault) {
    this.#world = world;
    this.#fault = fault;
    this.tools = { begun: () => this.#note(true), wait: sleep };
  }

  end(): void {
    if (this.#hasBegun) this.#note(false);
  }

  #note(begins: boolean): void {
    this.#hasBegun = true;
    this.#world.noteFault(this.#fault.kind, this.#fault.target, begins, this.#fault.value);
  }
}

async function inject(world: World, fault: Fault, tools: FaultTools, random: () => number): Promise<void> {
  const { on } = specOf(fault.kind);
  if (on === "store") return world.store.apply(fault, tools);
  if (on === "process") return processFaults[fault.kind]!(world.seat(fault.target), fault, tools);
  const seats = fault.target === "all" ? world.seats : [world.seat(fault.target)];
  const once = { ...tools, begun: onlyOnce(() => tools.begun()) };
  const proxies = seats.flatMap((seat) => proxiesOf(seat, fault.store));
  await Promise.all(proxies.map((proxy) => linkFaults[fault.kind]!(proxy, fault, once, random)));
}

function proxiesOf({ proxy, second }: Seat, store?: 1 | 2): TcpProxy[] {
  const proxies = second ? [proxy, second] : [proxy];
  return store === undefined ? proxies : proxies.slice(store - 1, store);
}

type ProcessFault = (seat: Seat, fault: Fault, tools: FaultTools) => Promise<void>;

const processFaults: Partial<Record<FaultKind, ProcessFault>> = {
  freeze: async ({ place }, { durationMs }, tools) => {
    await place.freeze();
    tools.begun();
    await tools.wait(durationMs);
    await place.thaw();
  },
  kill: async ({ place }, { durationMs }, tools) => {
    tools.begun();
    await place.kill();
    await tools.wait(durationMs);
    await place.start();
  },
  block: async ({ place }, { durationMs }, tools) => {
    // Dated from the order: when exactly it began is known to the blocked process alone.
    tools.begun();
    await Promise.race([place.block(durationMs), tools.wait(durationMs + 2 * orderMsMax)]);
  },
  "worker-throw": ({ place }, _fault, tools) => order(place.order({ what: "throw", inMs: 0, forMs: 0 }), tools),
  "worker-exit": ({ place }, _fault, tools) => order(place.order({ what: "exit", inMs: 0, forMs: 0 }), tools),
  "worker-stall": async ({ place }, { durationMs }, tools) => {
    await order(place.order({ what: "stall", inMs: 0, forMs: durationMs }), tools);
    await tools.wait(durationMs);
  },
  "worker-throw-blocked": async ({ place }, { durationMs }, tools) => {
    await order(place.order({ what: "throw", inMs: Math.min(50, durationMs / 2), forMs: 0 }), tools);
    await Promise.race([place.block(durationMs), tools.wait(durationMs + 2 * orderMsMax)]);
  },
  "client-clock": async ({ clock }, { durationMs, value = 0 }, tools) => {
    if (!clock) throw new Error("no clock shim");
    clock.set(value);
    tools.begun();
    await tools.wait(durationMs);
    clock.set(0);
  },
};

async function order(given: Promise<void>, tools: FaultTools): Promise<void> {
  await given;
  tools.begun();
}

/** Every process runs and every link and the store serve again, whatever the faults have left. */
async function healAll(world: World): Promise<void> {
  const each = (what: string, heal: (seat: Seat) => Promise<void> | void): Promise<void> =>
    step(
      what,
      world.seats.map(async (seat) => heal(seat)),
    );
  await each("every process thaws", ({ place }) => place.thaw());
  await step("the store is healed", [world.store.heal()]);
  await each("the clocks are right", ({ clock }) => clock?.set(0));
  const links = world.seats.flatMap((seat) => proxiesOf(seat));
  await step("every link is healed", links.map(healLink));
  await each("every process runs", ({ place }) => place.start());
}

async function step(what: string, all: readonly Promise<void>[]): Promise<void> {
  await withDeadline(Promise.all(all), lateMsMax, what);
}

function onlyOnce(fn: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) fn();
    isDone = true;
  };
}

// waits: a schedule is made of times
function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(ms, 0))); // waits: as above
}
