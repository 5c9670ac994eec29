// A process of waiters: each wants the key, holds it for a while, thinks for a while, and wants it again.

import { setTimeout as delay } from "node:timers/promises";
import { serveChild } from "../../test/support/child.js";
import { mulberry32 } from "../../test/support/wait.js";
import type { Subject, SubjectModule } from "../recipes/subject.js";
import { nowMs } from "./bed.js";
import type { Section, WaitersReport, WaitersSetup } from "./contest.js";

let subject: Subject;
let counted = 0;
let overlaps = 0;
let inside = 0;
const sections: Section[] = [];

async function wantForEver(key: string, setup: WaitersSetup, random: () => number): Promise<never> {
  const hurried = { ...setup, holdMs: 0, thinkMsMax: 0, keepsEach: false };
  const calmMs = nowMs() + setup.hurryMs;
  for (;;) {
    const askedMs = nowMs();
    const pace = askedMs < calmMs ? hurried : setup;
    await subject.run(key, () => hold(askedMs, pace));
    if (pace.thinkMsMax > 0) await delay(random() * pace.thinkMsMax);
  }
}

/** Not async where nothing is held: what is measured is the locker, not a turn of the event loop in each section. */
function hold(askedMs: number, { holdMs, keepsEach }: WaitersSetup): Promise<void> {
  if (++inside > 1) overlaps += 1;
  counted += 1;
  const grantedMs = nowMs();
  if (holdMs === 0) {
    leave(askedMs, grantedMs, keepsEach);
    return done;
  }
  return delay(holdMs).then(() => leave(askedMs, grantedMs, keepsEach));
}

const done = Promise.resolve();

function leave(askedMs: number, grantedMs: number, keepsEach: boolean): void {
  inside -= 1;
  if (keepsEach) sections.push({ askedMs, grantedMs, endedMs: nowMs() });
}

serveChild({
  open: async (module: string, url: string, ttlMs: number, retryMs: number) => {
    subject = await ((await import(module)) as SubjectModule).open({ url, ttlMs, retryMs });
  },
  /** They go on until this process is killed: to let a thousand come to their end would take longer than to measure. */
  start: (key: string, setup: WaitersSetup) => {
    const random = mulberry32(setup.seed);
    for (let waiter = 0; waiter < setup.waiters; waiter++) void wantForEver(key, setup, random);
  },
  report: (): WaitersReport => ({ atMs: nowMs(), counted, overlaps }),
  sections: () => sections,
});
