// Asks the questions one after the other, those that only wait all at once; one that fails leaves the others theirs.

import { describeMachine } from "./machine.js";
import { isWithinBound, type Answer, type PeerModules, type Question, type Series } from "./question.js";
import { answerLines, missedLine, type SlackOf } from "./report.js";
import { keep, resultOf } from "./results.js";
import { nowMs } from "./bed.js";

export interface Wanted {
  /** Undefined: as many as each question has by default. */
  readonly runs: number | undefined;
  readonly smoke: boolean;
  /** The folder for the results; undefined: they are not kept. */
  readonly out: string | undefined;
  /** Whether those of fewer runs than the default are kept, too. */
  readonly keepsFew: boolean;
  readonly peers: PeerModules;
}

export interface Asked {
  readonly name: string;
  readonly seconds: number;
  /** How many bounds were kept. */
  readonly kept: number;
  /** What went wrong; nothing, when all is well. */
  readonly troubles: readonly string[];
}

/** A smoke sees ratios and counts; a time says little where others are at work, so that only tenfold is a collapse. */
const smokeSlack: SlackOf = ({ unit }) => (["ms", "µs", "ns"].includes(unit) ? 0.1 : 0.5);
const noSlack: SlackOf = () => 1;

export async function ask(chosen: readonly Question[], wanted: Wanted): Promise<Asked[]> {
  const startedMs = nowMs();
  const working = chosen.filter(({ waits }) => waits === undefined);
  const waiting = chosen.filter(({ waits }) => waits !== undefined);
  const groups = [...working.map((question) => [question]), ...(waiting.length > 0 ? [waiting] : [])];
  const asked: Asked[] = [];
  for (const group of groups) {
    group.forEach(({ name, asks }, at) => {
      const place = `${asked.length + at + 1} of ${chosen.length}`;
      console.log(`• ${place}, after ${secondsSince(startedMs)} s: ${name}: ${asks}`);
    });
    asked.push(...(await Promise.all(group.map((question) => askOne(question, wanted, group.length > 1)))));
  }
  return asked;
}

async function askOne(question: Question, wanted: Wanted, isAmongOthers: boolean): Promise<Asked> {
  const { name } = question;
  const startedMs = nowMs();
  const machine = describeMachine();
  const runs = wanted.runs ?? (wanted.smoke ? question.smokeRuns : undefined) ?? question.runs;
  const indent = isAmongOthers ? `    ${name}: ` : "    ";
  const say = (text: string): void => console.log(`${indent}${text}`);
  const tell = (text: string): void => say(`… ${text}, ${secondsSince(startedMs)} s`);
  try {
    const answer = await question.ask({ runs, smoke: wanted.smoke, peers: wanted.peers, tell });
    const seconds = secondsSince(startedMs);
    const slack = wanted.smoke ? smokeSlack : noSlack;
    for (const line of answerLines(answer, slack)) say(line);
    if (wanted.out !== undefined && (runs >= question.runs || wanted.keepsFew)) {
      keep(wanted.out, resultOf(question, answer, machine, seconds));
    } else if (!wanted.smoke) say(`(not kept: fewer than ${question.runs} runs)`);
    return { name, seconds, ...judge(answer, slack) };
  } catch (error) {
    console.error(error);
    return { name, seconds: secondsSince(startedMs), kept: 0, troubles: [`could not be measured: ${String(error)}`] };
  }
}

function judge(answer: Answer, slack: SlackOf): Pick<Asked, "kept" | "troubles"> {
  const verdict = (series: Series): boolean | undefined => isWithinBound(series, slack(series));
  const missed = answer.series.filter((series) => verdict(series) === false);
  return {
    kept: answer.series.filter((series) => verdict(series) === true).length,
    troubles: missed.map((series) => missedLine(series, slack)),
  };
}

function secondsSince(startedMs: number): number {
  return Math.round((nowMs() - startedMs) / 1_000);
}
