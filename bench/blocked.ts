// The main thread of a holder stands still, as in a long regular expression or a synchronous call, while another
// process wants its keys. Who keeps them?

import { keys, told, within, withHolders, type Holders } from "./support/holders.js";
import { askPeers } from "./support/peers.js";
import type { Answer, Question, Series, Setting } from "./support/question.js";

const ours = "pulselock";
const blockMs = 20_000;
/** How long the holder may run on before it is told what it lost. */
const noticeMs = 5_000;

export const blocked: Question = {
  name: "blocked",
  asks: `a holder's main thread stands still for ${blockMs / 1_000} s, another process wants its keys → who keeps them`,
  runs: 1,
  waits: true,
  ask: measure,
};

/** Of the keys that the other got during the block. */
interface Losses {
  /** From the block's begin to the other's job, s. */
  readonly afterS: readonly number[];
  /** From the block's end to when the old holder was told, ms. */
  readonly toldMs: readonly number[];
}

async function measure({ peers }: Setting): Promise<Answer> {
  const module = new URL("./support/ours.js", import.meta.url).href;
  const [others, own] = await Promise.all([askPeers(peers, block), withHolders(module, 0, block)]);
  const all = [{ name: ours, given: own }, ...others];
  const lost = `lost, of ${keys.length} keys`;
  const series = all.flatMap(({ name, given: { afterS, toldMs } }): Series[] => {
    const bound = name === ours ? { bound: { of: "every", atMost: 0 } as const } : {};
    return [
      { label: lost, locker: name, unit: "", samples: [afterS.length], ...bound },
      { label: "the other's job starts after", locker: name, unit: "s", samples: afterS },
      { label: "the old holder is told, after the block", locker: name, unit: "ms", samples: toldMs },
    ];
  });
  return {
    series: series.filter(({ samples }) => samples.length > 0),
    notes: ["the keys were taken at evenly spread moments of the renewals", ...others.map(({ limits }) => limits)],
    charts: [{ title: `Main thread blocked ${blockMs / 1_000} s: keys ${lost}`, series: lost, better: "less" }],
  };
}

async function block(holders: Holders): Promise<Losses> {
  const { from, to } = await holders.holder.request<{ from: number; to: number }>("block", blockMs);
  const grants = await Promise.all(holders.contended.map(({ granted }) => within(0, granted)));
  const notices = await told(holders, noticeMs);
  const isLost = (at: number): boolean => (grants[at] ?? Infinity) < to;
  const lost = keys.map((_, at) => at).filter(isLost);
  return {
    afterS: lost.map((at) => (grants[at]! - from) / 1_000),
    toldMs: lost.flatMap((at) => (notices[at] === undefined ? [] : [notices[at] - to])),
  };
}
