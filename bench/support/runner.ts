// Asks the questions one after the other, those that only wait all at once; one that fails leaves the others theirs.

import { nowMs } from "./bed.js";
import { describeMachine } from "./machine.js";
import { isWithinBound, NoPeersError, type Answer, type PeerModules, type Question, type Series } from "./question.js";
import { answerLines, missedLine } from "./report.js";
import { resultOf, type Result } from "./results.js";

export interface Wanted {
  /** Undefined: as many as each question has by default. */
  readonly runs: number | undefined;
  readonly smoke: boolean;
  /** Whether a question may be left out for want of the others' lockers. */
  readonly mayLackPeers: boolean;
  readonly peers: PeerModules;
  print(line: string): void;
}

export interface Asked {
  readonly name: string;
  readonly seconds: number;
  /** How many bounds were kept. */
  readonly kept: number;
  /** What went wrong; nothing, when all is well. */
  readonly troubles: readonly string[];
  /** Of at least as many runs as the question asks for. */
  readonly isWhole: boolean;
  readonly result?: Result;
}

/** `finished` is told of each at once: what comes after it may be interrupted. */
export async function ask(
  chosen: readonly Question[],
  wanted: Wanted,
  finished: (asked: Asked) => void = () => {},
): Promise<Asked[]> {
  const startedMs = nowMs();
  const working = chosen.filter(({ waits }) => waits === undefined);
  const waiting = chosen.filter(({ waits }) => waits !== undefined);
  const groups = [...working.map((question) => [question]), ...(waiting.length > 0 ? [waiting] : [])];
  const all: Asked[] = [];
  for (const group of groups) {
    group.forEach(({ name, asks }, at) => {
      const place = `${all.length + at + 1} of ${chosen.length}`;
      wanted.print(`• ${place}, after ${secondsSince(startedMs)} s: ${name}: ${asks}`);
    });
    const asked = group.map(async (question) => {
      let one = await askOne(question, wanted, group.length > 1);
      if (wanted.smoke && one.troubles.length > 0) {
        wanted.print(`    ${question.name}: asked once more, for a busy machine may stand still for seconds`);
        one = await askOne(question, wanted, group.length > 1);
      }
      finished(one);
      return one;
    });
    all.push(...(await Promise.all(asked)));
  }
  return all;
}

async function askOne(question: Question, wanted: Wanted, isAmongOthers: boolean): Promise<Asked> {
  const { name } = question;
  const { smoke, peers } = wanted;
  const startedMs = nowMs();
  const machine = describeMachine();
  const runs = wanted.runs ?? (smoke ? question.smokeRuns : undefined) ?? question.runs;
  const indent = isAmongOthers ? `    ${name}: ` : "    ";
  const say = (text: string): void => wanted.print(`${indent}${text}`);
  const tell = (text: string): void => say(`… ${text}, ${secondsSince(startedMs)} s`);
  const asked = { name, isWhole: runs >= question.runs };
  try {
    const given = await question.ask({ runs, smoke, peers, tell });
    const answer = smoke ? { ...given, series: given.series.map(loosened) } : given;
    for (const line of answerLines(answer)) say(line);
    const seconds = secondsSince(startedMs);
    return { ...asked, seconds, ...judge(answer), result: resultOf(question, answer, machine, seconds) };
  } catch (error) {
    const seconds = secondsSince(startedMs);
    if (error instanceof NoPeersError && wanted.mayLackPeers) {
      say(`✖ left out: ${error.message}`);
      return { ...asked, seconds, kept: 0, troubles: [] };
    }
    say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return { ...asked, seconds, kept: 0, troubles: [`could not be measured: ${String(error)}`] };
  }
}

function judge({ series }: Answer): Pick<Asked, "kept" | "troubles"> {
  const missed = series.filter((one) => isWithinBound(one) === false);
  return { kept: series.filter((one) => isWithinBound(one) === true).length, troubles: missed.map(missedLine) };
}

/**
 * As a smoke judges it: half of what is due will do. Where others are at work, a time or a rate says little, so that
 * only tenfold is a collapse, and neither does one bad round among good ones. A count is never disturbed.
 */
function loosened(series: Series): Series {
  const { unit, bound } = series;
  if (bound === undefined) return series;
  const slack = ["ms", "µs", "ns"].includes(unit) || unit.endsWith("/s") ? 0.1 : 0.5;
  const of = unit === "" ? bound.of : "p50";
  const limit = "atMost" in bound ? { atMost: bound.atMost / slack } : { atLeast: bound.atLeast * slack };
  return { ...series, bound: { of, ...limit } };
}

function secondsSince(startedMs: number): number {
  return Math.round((nowMs() - startedMs) / 1_000);
}
