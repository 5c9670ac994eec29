// A living process loses a key. How long does its job go on without knowing? The loss is forged, since by its own rules
// the core never takes from the living: see README.md.

import { setTimeout as delay } from "node:timers/promises";
import type { PeerModule } from "./recipes/subject.js";
import { nowMs, openBed, waitForPhase, type Bed } from "./support/bed.js";
import { keys, told, type Holders } from "./support/holders.js";
import { askPeers } from "./support/peers.js";
import { openProcess, type LockerProcess } from "./support/processes.js";
import type { Answer, Bound, Question, Setting } from "./support/question.js";

const ours = "pulselock";
const pingIntervalMs = 500;
const sessionTtlMs = 10_000;
/** A key that the peer holds all the while. */
const peersOwn = "the peer's own";
const hourMs = 3_600_000;
/** Twice the longest TTL of the others: who is not told by then is told never. */
const watchMs = 60_000;
const bound: Bound = { of: "every", atMost: 50 };

/** Small, or every run would take ten seconds. */
const quickLimits = { pingIntervalMs: 100, disconnectGraceMs: 500, sessionTtlMs: 1_000 };

export const lossNotice: Question = {
  name: "loss-notice",
  asks: "a lease is taken from a process that runs → its job's signal aborts",
  runs: 20,
  async ask(setting: Setting): Promise<Answer> {
    const [others, own] = await Promise.all([askPeers(setting.peers, overwrite), measureOurs(setting)]);
    const running = "running, from the other's grant";
    return {
      series: [
        { label: running, locker: ours, unit: "ms", samples: own.takenMs, bound },
        ...others.map(({ name, given }) => ({ label: running, locker: name, unit: "ms", samples: given })),
        { label: "frozen, from SIGCONT", locker: ours, unit: "ms", samples: own.thawedMs, bound },
      ],
      notes: [
        "ours: a negative time: the old holder knew before the new one's job started",
        "the others: the record of the key is overwritten, at evenly spread moments of their renewals",
        ...others.map(({ limits, given }) => `${limits}; told: ${given.length} of ${keys.length}`),
      ],
      charts: [{ title: "A key is lost → its job is told", series: running, better: "less", scale: "log" }],
    };
  },
};

async function measureOurs(setting: Setting): Promise<{ takenMs: number[]; thawedMs: number[] }> {
  return { takenMs: await measureTaken(setting), thawedMs: await measureThawed(setting) };
}

/** As if another had it now. A record that is not there would be an error of ours. */
async function overwrite(holders: Holders, peer: PeerModule): Promise<number[]> {
  for (const key of keys) {
    const set = await holders.client.set(peer.recordOf(key), "another holder", "PX", hourMs, "XX");
    if (set !== "OK") throw new Error(`there is no ${peer.recordOf(key)}`);
  }
  const takenMs = nowMs();
  const all = await told(holders, watchMs);
  return all.flatMap((atMs) => (atMs === undefined ? [] : [atMs - takenMs]));
}

async function measureTaken({ runs }: Setting): Promise<number[]> {
  await using bed = await openBed();
  await using peer = await openProcess(bed.url);
  await using holder = await openProcess(bed.url);
  await bed.use();
  await peer.hold(peersOwn); // to have a session
  await delay(sessionTtlMs + 2 * pingIntervalMs); // only who was served for so long may judge
  const samples: number[] = [];
  for (let run = 0; run < runs; run++) {
    const key = `taken-${run}`;
    await holder.hold(key);
    await peer.startWaiting(key);
    await waitForPhase(run, runs, pingIntervalMs);
    const grantedMs = await silenceUntilGranted(bed, peer, key);
    samples.push((await noticeOf(holder, key)) - grantedMs);
  }
  return samples;
}

/**
 * Again and again, since each of the holder's pings sets it right, and since a holder that hears that it is condemned
 * may be faster than the peer: then it takes its key back in a fresh session.
 */
async function silenceUntilGranted(bed: Bed, peer: LockerProcess, key: string): Promise<number> {
  const granted = peer.granted(key).then(({ atMs }) => atMs);
  const peerSession = await bed.holderSession(peersOwn);
  for (;;) {
    const session = await bed.findHolderSession(key);
    if (session !== undefined && session !== peerSession) await bed.silence(session, hourMs);
    const grantedMs = await Promise.race([granted, delay(10)]);
    if (typeof grantedMs === "number") return grantedMs;
  }
}

async function measureThawed({ runs }: Setting): Promise<number[]> {
  await using bed = await openBed();
  await using peer = await openProcess(bed.url, quickLimits);
  await using holder = await openProcess(bed.url, quickLimits);
  await bed.use();
  const samples: number[] = [];
  for (let run = 0; run < runs; run++) {
    const key = `thawed-${run}`;
    await holder.hold(key);
    await peer.startWaiting(key);
    await waitForPhase(run, runs, quickLimits.pingIntervalMs);
    holder.signal("SIGSTOP");
    await peer.granted(key);
    const thawedMs = holder.signal("SIGCONT");
    samples.push((await noticeOf(holder, key)) - thawedMs);
  }
  return samples;
}

async function noticeOf(holder: LockerProcess, key: string): Promise<number> {
  const { atMs, code } = await holder.lost(key);
  if (code !== "taken-over") throw new Error(`${key}: lost as "${code}"`);
  return atMs;
}
