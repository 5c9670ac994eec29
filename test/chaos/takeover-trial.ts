// The end of every schedule, when nothing else is wrong any more: a holder is killed or falls silent while another
// process waits for its key. Leases live for longer than a schedule, so only a condemnation can give the key away.

import type { Violation } from "../history/history.js";
import { mulberry32, waitUntil, withDeadline } from "../support/wait.js";
import { limitsOf, type Limits } from "./fleets.js";
import { nowMs } from "./journal.js";
import type { Schedule } from "./schedule.js";
import type { Starvation } from "./starvation.js";
import type { Seat, World } from "./world.js";

export type Takeover = {
  readonly how: "SIGKILL" | "SIGSTOP";
  readonly key: string;
  readonly holder: string;
  readonly waiter: string;
  /** When the holder fell silent. */
  readonly atMs: number;
  /** From then to the grant, ms; Infinity: it did not come. */
  readonly tookMs: number;
  readonly limitMs: number;
  /** For how long the machine let nobody run meanwhile. */
  readonly starvedMs: number;
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
  const { how, key, holder, waiter, atMs, tookMs, limitMs, starvedMs, toldMs = 0 } = takeover;
  // Slack only where the harness saw that the machine was too busy.
  const slackMs = starvedMs > 0 ? starvedMs + busyMs : 0;
  const found: Violation[] = [];
  if (tookMs > limitMs + slackMs) {
    const after = Number.isFinite(tookMs) ? `after ${Math.round(tookMs)} ms` : "never";
    const what = `${waiter} got the key of ${holder} (${how}) ${after}; the limit is ${limitMs} ms`;
    found.push({ rule: "takeover", atMs: atMs + limitMs, key, what });
  }
  if (toldMs > noticeMs + slackMs) {
    const what = `${holder} was told ${Math.round(toldMs)} ms after it ran again; the limit is ${noticeMs} ms`;
    found.push({ rule: "takeover", atMs, key, what });
  }
  return found;
}

/** Nobody else may want anything while it goes on. Rejects when a key that is free cannot be had. */
export async function tryTakeover(world: World, starvation: Starvation): Promise<Takeover> {
  const { schedule, seats, keys } = world;
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
  const waiting = waiter.place.take(key, settleMs + limitMs + calmMs);
  waiting.catch(() => undefined);
  await sleep(settleMs); // waits: for it to wait
  const names = { key, holder: holder.place.process, waiter: waiter.place.process, limitMs };
  const end = how === "SIGKILL" ? endByKill : endByStop;
  return { how, ...names, ...(await end(world, { holder, waiting, key, limitMs, starvation })) };
}

type End = { holder: Seat; waiting: Promise<number>; key: string; limitMs: number; starvation: Starvation };
type Ended = Pick<Takeover, "atMs" | "tookMs" | "starvedMs" | "toldMs">;

async function endByKill(world: World, { holder: { place }, waiting, limitMs, starvation }: End): Promise<Ended> {
  const atMs = nowMs();
  world.noteFault("kill", place.name, true);
  await place.kill();
  const tookMs = (await grantOf(waiting, limitMs)) - atMs;
  const starvedMs = starvation.sumSince(atMs);
  await place.start();
  world.noteFault("kill", place.name, false);
  return { atMs, tookMs, starvedMs, toldMs: undefined };
}

async function endByStop(world: World, { holder: { place }, waiting, key, limitMs, starvation }: End): Promise<Ended> {
  const atMs = nowMs();
  world.noteFault("freeze", place.name, true);
  await place.freeze();
  const tookMs = (await grantOf(waiting, limitMs)) - atMs;
  const thawedMs = nowMs();
  await place.thaw();
  world.noteFault("freeze", place.name, false);
  const toldAtMs = Number.isFinite(tookMs)
    ? await tellingOf(world, { process: place.process, key, thawedMs })
    : thawedMs;
  return { atMs, tookMs, starvedMs: starvation.sumSince(atMs), toldMs: toldAtMs - thawedMs };
}

/** When it was granted; Infinity when it was not, long after the limit. */
async function grantOf(waiting: Promise<number>, limitMs: number): Promise<number> {
  return withDeadline(waiting, limitMs + calmMs + 2 * settleMs, "the takeover").catch(() => Infinity);
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
