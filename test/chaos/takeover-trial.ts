// The end of every schedule, when nothing else is wrong any more: a holder is killed or falls silent while another
// process waits for its key. Leases live for longer than a schedule, so only a condemnation can give the key away.

import { deadlineAmid } from "../history/disturbances.js";
import type { Violation } from "../history/history.js";
import { mulberry32, waitUntil, withDeadline } from "../support/wait.js";
import { limitsOf, type Limits } from "./fleets.js";
import { nowMs } from "./journal.js";
import { isPool } from "./member-wishes.js";
import type { Schedule } from "./schedule.js";
import type { Span, Starvation } from "./starvation.js";
import type { Seat, World } from "./world.js";

export type Takeover = {
  readonly how: "SIGKILL" | "SIGSTOP";
  readonly key: string;
  readonly holder: string;
  readonly waiter: string;
  /** When the holder fell silent. */
  readonly atMs: number;
  /** From then until the kernel was done with a process that was killed, ms: so long it lives, whoever asks. */
  readonly goneMs: number;
  /** From then to the grant, ms; Infinity: it did not come. */
  readonly tookMs: number;
  readonly limitMs: number;
  /** When the machine let nobody run. Who judges has to be served for the whole limit anew after that. */
  readonly starved: readonly Span[];
  /** From SIGCONT until the one that was silent knew its loss, ms. Undefined where it was killed. */
  readonly toldMs: number | undefined;
};

/** A grant in calm, and how much longer than its limit a takeover is waited for, so as to tell late from never. */
const calmMs = 10_000;
/** How long a waiter is given to begin to wait. */
const settleMs = 300;
/** L3, after a process that was stopped was let run on a machine that a dozen others use, too. */
const noticeMs = 300;
/** What a machine that was too busy may add. */
const busyMs = 250;

/** From the end of the holder to the grant (README, "Limits"). */
export function takeoverLimitMs(how: Takeover["how"], hosts: Schedule["hosts"], { locker }: Limits): number {
  if (how === "SIGSTOP") return locker.sessionTtlMs + 1_000;
  return hosts === "one" ? 300 : locker.disconnectGraceMs + 500;
}

export function judgeTakeover(takeover: Takeover): Violation[] {
  const { how, key, holder, waiter, atMs, goneMs, tookMs, limitMs, starved, toldMs = 0 } = takeover;
  // Slack only where the harness saw that the machine was too busy.
  const starvedMs = starved.reduce((sum, { fromMs, toMs }) => sum + Math.max(0, toMs - Math.max(fromMs, atMs)), 0);
  const slackMs = starvedMs > 0 ? starvedMs + busyMs : 0;
  const found: Violation[] = [];
  if (tookMs > dueMs(starved, atMs + goneMs, limitMs) - atMs) {
    const after = Number.isFinite(tookMs) ? `after ${Math.round(tookMs)} ms` : "never";
    const gone = how === "SIGKILL" ? `, gone after ${Math.round(goneMs)} ms` : "";
    const what = `${waiter} got the key of ${holder} (${how}${gone}) ${after}; the limit is ${limitMs} ms`;
    found.push({ rule: "takeover", atMs: atMs + limitMs, key, what });
  }
  if (toldMs > noticeMs + slackMs) {
    const what = `${holder} was told ${Math.round(toldMs)} ms after it ran again; the limit is ${noticeMs} ms`;
    found.push({ rule: "takeover", atMs, key, what });
  }
  return found;
}

/** The limit, counted anew from the end of each time in which the machine let nobody run. */
function dueMs(starved: readonly Span[], atMs: number, limitMs: number): number {
  const spans = starved.map(({ fromMs, toMs }) => ({ fault: "", target: "", fromMs, toMs: toMs + busyMs }));
  return deadlineAmid(spans, atMs, limitMs);
}

/** Nobody else may want anything while it goes on. Rejects when a key that is free cannot be had. */
export async function tryTakeover(world: World, starvation: Starvation): Promise<Takeover> {
  const { schedule, seats } = world;
  const keys = world.keys.filter((key) => !isPool(key));
  const random = mulberry32(schedule.seed ^ 0x7a4e);
  const draw = (below: number): number => Math.floor(random() * below);
  const how = schedule.seed % 2 === 0 ? "SIGKILL" : "SIGSTOP";
  const [at, key] = [draw(seats.length), keys[draw(keys.length)]!];
  const next = (at + 1 + draw(seats.length - 1)) % seats.length;
  const [holder, waiter] = [seats[at]!, seats[next]!];
  await holder.place.take(key, calmMs);
  // Who judges must have been served without a gap for as long as its own and the holder's limits say.
  const steadyMs = Math.max(...[at, next].map((index) => limitsOf(schedule.fleet, index).locker.sessionTtlMs));
  await sleep(steadyMs); // waits: that is how long
  const limitMs = takeoverLimitMs(how, schedule.hosts, limitsOf(schedule.fleet, at));
  const waiting = new Waiting(waiter, key, starvation);
  await sleep(settleMs); // waits: for it to wait
  const names = { key, holder: holder.place.process, waiter: waiter.place.process, limitMs };
  const end = how === "SIGKILL" ? endByKill : endByStop;
  return { how, ...names, ...(await end(world, { holder, waiting, key, limitMs, starvation })) };
}

/** One that wants the key, and asks again where an acquire ends without it. */
class Waiting {
  readonly #seat: Seat;
  readonly #key: string;
  readonly #starvation: Starvation;
  #first: Promise<number>;

  constructor(seat: Seat, key: string, starvation: Starvation) {
    [this.#seat, this.#key, this.#starvation] = [seat, key, starvation];
    this.#first = this.#take();
    this.#first.catch(() => undefined);
  }

  /** When it was granted; Infinity when it was not, long after the limit. */
  async grant(atMs: number, limitMs: number): Promise<number> {
    for (let asked = this.#first; ; asked = this.#take()) {
      try {
        return await withDeadline(asked, 3 * calmMs, "the end of an acquire");
      } catch {
        if (nowMs() > dueMs(this.#starvation.spans, atMs, limitMs) + settleMs) return Infinity;
        await sleep(settleMs); // waits: one that fails at once is not asked in a loop
      }
    }
  }

  #take(): Promise<number> {
    return this.#seat.place.take(this.#key, calmMs);
  }
}

type End = { holder: Seat; waiting: Waiting; key: string; limitMs: number; starvation: Starvation };
type Ended = Pick<Takeover, "atMs" | "goneMs" | "tookMs" | "starved" | "toldMs">;

async function endByKill(world: World, { holder: { place }, waiting, limitMs, starvation }: End): Promise<Ended> {
  const atMs = nowMs();
  world.noteFault("kill", place.name, true);
  await place.kill();
  const goneMs = nowMs() - atMs;
  const tookMs = (await waiting.grant(atMs, limitMs)) - atMs;
  await place.start();
  world.noteFault("kill", place.name, false);
  return { atMs, goneMs, tookMs, starved: starvation.spans, toldMs: undefined };
}

async function endByStop(world: World, { holder: { place }, waiting, key, limitMs, starvation }: End): Promise<Ended> {
  const atMs = nowMs();
  world.noteFault("freeze", place.name, true);
  await place.freeze();
  const tookMs = (await waiting.grant(atMs, limitMs)) - atMs;
  const thawedMs = nowMs();
  await place.thaw();
  world.noteFault("freeze", place.name, false);
  const toldAtMs = Number.isFinite(tookMs)
    ? await tellingOf(world, { process: place.process, key, thawedMs })
    : thawedMs;
  return { atMs, goneMs: 0, tookMs, starved: starvation.spans, toldMs: toldAtMs - thawedMs };
}

async function tellingOf(
  world: World,
  { process, key, thawedMs }: { process: string; key: string; thawedMs: number },
): Promise<number> {
  const told = (): number =>
    world
      .history()
      .find(
        (event) => event.kind === "aborted" && event.process === process && event.key === key && event.atMs > thawedMs,
      )?.atMs ?? Infinity;
  return waitUntil(told, Number.isFinite, { deadlineMs: 5_000, what: `${process} knows its loss` }).catch(
    () => Infinity,
  );
}

// waits: the callers say for what
function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms)); // waits: the callers say for what
}
