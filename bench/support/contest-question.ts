// A contest as a question: ours and the others', round by round, another one first each time.

import { seed } from "../../test/support/wait.js";
import { runOnce, type Contest, type Figure, type Run, type Span } from "./contest.js";
import { ratios, rounds, type Answer, type Question, type Series, type Setting } from "./question.js";

const ours = "pulselock";
const others = ["redlock", "redlock-4", "redis-semaphore", "redlock-universal"];
const span: Span = { hurryMs: 1_500, warmUpMs: 300, runMs: 1_700, monitorMs: 400 };
const smokeSpan: Span = { hurryMs: 300, warmUpMs: 200, runMs: 1_000, monitorMs: 200 };
const smokeOthers = ["redlock"];
const inEveryRun = { of: "every", atLeast: 1 } as const;

export function contestQuestion(contest: Contest, rest: Omit<Question, "name" | "ask">): Question {
  return { name: contest.name, ...rest, ask: (setting) => play(contest, setting) };
}

async function play(contest: Contest, setting: Setting): Promise<Answer> {
  const random = seed();
  const rivals = setting.smoke ? smokeOthers : others;
  const names = [ours, ...rivals];
  const modules: Record<string, string> = { [ours]: new URL("./ours.js", import.meta.url).href };
  for (const name of rivals) modules[name] = setting.peers.module(name);
  const played = names.map((): Run[] => []);
  for (const round of rounds(setting)) {
    for (let turn = 0; turn < names.length; turn++) {
      const at = (turn + round) % names.length;
      played[at]?.push(await runOnce(contest, modules[names[at]!]!, setting.smoke ? smokeSpan : span, random + round));
    }
  }
  const series = contest.figures
    .map((figure) => (setting.smoke && figure.quiet ? unjudged(figure) : figure))
    .flatMap((figure) => seriesOf(figure, names, played));
  return { series, notes: [`seed ${random}`], charts: contest.charts ?? [] };
}

function unjudged({ bound: _bound, ...figure }: Figure): Figure {
  return figure;
}

/** That of each locker, and what ours is to beat. */
function seriesOf({ label, unit, of, bound, beatsOthers }: Figure, names: string[], played: Run[][]): Series[] {
  const samples = played.map((runs) => runs.map(of));
  const series = names.map((locker, at): Series => {
    const own = bound && locker === ours ? { bound } : {};
    return { label, locker, unit, samples: samples[at] ?? [], ...own };
  });
  if (!beatsOthers) return series;
  const beaten = names.slice(1).map((name, at): Series => {
    const relative = ratios(samples[0] ?? [], samples[at + 1] ?? []);
    return { label: `… ours ÷ theirs`, locker: name, unit: "×", samples: relative, bound: inEveryRun };
  });
  return [...series, ...beaten];
}
