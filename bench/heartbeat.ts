// What `await heartbeat()` costs while there is nothing to ask, beside the `await` of a settled promise.

import type { Answer, Bound, Question, Setting } from "./support/question.js";
import { openBed } from "./support/bed.js";
import { openHeartbeatProcess, type HeartbeatRound } from "./support/heartbeat-processes.js";

const callsTimed = 2_000_000;
/** Few enough for the young generation: a collection would fall into the count. */
const callsWeighed = 50_000;
const warmUpRounds = 3;
const bound: Bound = { of: "every", atMost: 1_000 };

export const heartbeat: Question = {
  name: "heartbeat",
  asks: "an awaited heartbeat() on the fast path",
  runs: 20,
  ask: measure,
};

async function measure({ runs }: Setting): Promise<Answer> {
  await using bed = await openBed();
  await using child = await openHeartbeatProcess(bed.url);
  const rounds: HeartbeatRound[] = [];
  for (let round = 0; round < warmUpRounds + runs; round++) {
    rounds.push(await child.request<HeartbeatRound>("round", callsTimed, callsWeighed));
  }
  const counted = rounds.slice(warmUpRounds);
  return {
    series: [
      { label: "time of an awaited call", unit: "ns", samples: counted.map(({ ns }) => ns), bound },
      { label: "… of the await alone", unit: "ns", samples: counted.map(({ floorNs }) => floorNs) },
      { label: "… ratio of the two", unit: "×", samples: counted.map(({ ns, floorNs }) => ns / floorNs) },
      { label: "allocated by an awaited call", unit: "bytes", samples: counted.map(({ bytes }) => bytes) },
      { label: "… by the await alone", unit: "bytes", samples: counted.map(({ floorBytes }) => floorBytes) },
      { label: "… by heartbeat() alone", unit: "bytes", samples: counted.map(({ plainBytes }) => plainBytes) },
    ],
    notes: [`a sample is the mean over ${callsTimed} calls (time) or ${callsWeighed} calls (bytes)`],
  };
}
