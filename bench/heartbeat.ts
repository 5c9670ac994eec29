// What `await heartbeat()` costs while there is nothing to ask, beside the least that an async function can.

import { openBed } from "./support/bed.js";
import { openHeartbeatProcess, type HeartbeatRound } from "./support/heartbeat-processes.js";
import type { Answer, Question, Setting } from "./support/question.js";

const callsTimed = 1_000_000;
/** Few enough for the young generation: a collection would fall into the count. */
const callsWeighed = 50_000;
const warmUpRounds = 3;

export const heartbeat: Question = {
  name: "heartbeat",
  asks: "an awaited heartbeat() on the fast path, beside the await of an async function that does nothing",
  runs: 20,
  smokeRuns: 3,
  ask: measure,
};

async function measure({ runs }: Setting): Promise<Answer> {
  await using bed = await openBed();
  await using child = await openHeartbeatProcess(bed.url);
  const rounds: HeartbeatRound[] = [];
  for (let round = 0; round < warmUpRounds + runs; round++) {
    rounds.push(await child.request<HeartbeatRound>("round", callsTimed, callsWeighed));
  }
  const of = (pick: (round: HeartbeatRound) => number): number[] => rounds.slice(warmUpRounds).map(pick);
  return {
    series: [
      {
        ...{ label: "time of an awaited call", unit: "ns", samples: of(({ ns }) => ns) },
        bound: { of: "p50", atMost: 150 },
      },
      { label: "… of an async function that does nothing", unit: "ns", samples: of(({ floorNs }) => floorNs) },
      { label: "… of the await alone", unit: "ns", samples: of(({ awaitNs }) => awaitNs) },
      {
        label: "allocated, beyond an async function that does nothing",
        unit: "bytes",
        samples: of(({ bytes, floorBytes }) => bytes - floorBytes),
        bound: { of: "p50", atMost: 0 },
      },
      { label: "… by an awaited call, all in all", unit: "bytes", samples: of(({ bytes }) => bytes) },
      { label: "… by the await alone", unit: "bytes", samples: of(({ awaitBytes }) => awaitBytes) },
      {
        label: `written to sockets during ${callsTimed} calls`,
        unit: "bytes",
        samples: of(({ written }) => written),
        bound: { of: "every", atMost: 0 },
      },
    ],
    notes: [
      `a sample is the mean over ${callsTimed} calls (time) or ${callsWeighed} calls (bytes)`,
      "of the bytes beyond the await alone, 16 are the number that Date.now() returns: V8 keeps it on the heap",
    ],
  };
}
