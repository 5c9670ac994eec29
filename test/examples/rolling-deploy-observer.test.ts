import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Ledger } from "../../examples/rolling-deploy/ledger.js";
import type { Limits } from "../../examples/rolling-deploy/limits.js";
import { countFencedOverlaps, judge } from "../../examples/rolling-deploy/observer.js";
import type { History, Mark, Report } from "../../examples/rolling-deploy/observer.js";
import type { StopReason } from "../../examples/rolling-deploy/records.js";
import { RunBook } from "../../examples/rolling-deploy/runs.js";

const LIMITS: Limits = { drainMs: 1_000, killMs: 2_000, freezeMs: 11_000, knowsMs: 80 };

type WrittenRun = {
  process: string;
  token: number;
  startMs: number;
  job?: string;
  /** Instants at which a heartbeat was asked and said yes at once; a pair is [asked, step recorded]. */
  steps?: (number | [number, number])[];
  stop?: [number, StopReason];
};

function bookOf(...runs: WrittenRun[]): RunBook {
  const book = new RunBook();
  for (const { process, token, startMs, job = "mailing", steps = [startMs + 1], stop } of runs) {
    const common = { process, job, token, run: `${process}@${startMs}` };
    book.add({ type: "start", ...common, atMs: startMs });
    for (const step of steps) {
      const [askedAtMs, atMs] = typeof step === "number" ? [step, step] : step;
      book.add({ type: "progress", ...common, askedAtMs, atMs });
    }
    if (stop !== undefined) book.add({ type: "stop", ...common, atMs: stop[0], reason: stop[1], detail: "" });
  }
  return book;
}

function judged(book: RunBook, marks: Mark[], more: Partial<History> = {}): Report {
  return judge({ jobs: ["mailing"], book, marks, ledger: [], ...more }, LIMITS);
}

function mark(kind: Mark["kind"], atMs: number, endAtMs = atMs): Mark {
  return { kind, process: "w1", atMs, endAtMs };
}

describe("a drain", () => {
  const old: WrittenRun = { process: "w1", token: 1, startMs: 0, stop: [1_020, "drained"] };

  test("is fine when a peer runs the job in time, and the gap counts from the last stop", () => {
    const report = judged(bookOf(old, { process: "w2", token: 2, startMs: 1_025 }), [mark("drain", 1_000)]);
    assert.deepEqual(report.failures, []);
    assert.deepEqual(report.events[0]?.gapsMs, [5]);
    assert.equal(report.events[0]?.checks[0]?.worstMs, 25);
  });

  test("is missed when the peer comes after the bound", () => {
    const report = judged(bookOf(old, { process: "w2", token: 2, startMs: 2_001 }), [mark("drain", 1_000)]);
    assert.match(report.failures.join(), /w1: SIGTERM → peer runs: 1001\.0 > 1000 ms/);
  });

  test("is missed when nobody ever runs the job again", () => {
    const report = judged(bookOf(old), [mark("drain", 1_000)]);
    assert.match(report.failures.join(), /mailing: nobody took over from w1/);
    assert.deepEqual(report.events[0]?.gapsMs, [Infinity]);
  });

  test("of a process without jobs is fine", () => {
    const report = judged(bookOf({ process: "w2", token: 1, startMs: 0 }), [mark("drain", 1_000)]);
    assert.deepEqual(report.failures, []);
  });
});

describe("a kill", () => {
  const victim: WrittenRun = { process: "w1", token: 1, startMs: 0, steps: [10, 990] };

  test("is fine when a peer runs the job within the bound", () => {
    const report = judged(bookOf(victim, { process: "w2", token: 2, startMs: 2_999 }), [mark("kill", 1_000)]);
    assert.deepEqual(report.failures, []);
    assert.deepEqual(report.events[0]?.gapsMs, [1_999]);
  });

  test("is missed when the peer comes after the bound", () => {
    const report = judged(bookOf(victim, { process: "w2", token: 2, startMs: 3_001 }), [mark("kill", 1_000)]);
    assert.match(report.failures.join(), /SIGKILL → peer runs: 2001\.0 > 2000 ms/);
  });

  test("that hits a process without jobs shows nothing, which is a failure", () => {
    const report = judged(bookOf({ process: "w2", token: 1, startMs: 0 }), [mark("kill", 1_000)]);
    assert.match(report.failures.join(), /w1: kill hit no job/);
  });
});

describe("a freeze", () => {
  const freeze = mark("freeze", 1_000, 12_500);
  const peer: WrittenRun = { process: "w2", token: 2, startMs: 11_300 };

  test("is fine when the key is taken over and the old holder knows soon after the thaw", () => {
    const old: WrittenRun = { process: "w1", token: 1, startMs: 0, stop: [12_510, "lost"] };
    const report = judged(bookOf(old, peer), [freeze]);
    assert.deepEqual(report.failures, []);
    assert.deepEqual(
      report.events[0]?.checks.map((check) => check.worstMs),
      [10_300, 10],
    );
  });

  test("is missed when the takeover comes after the session's TTL and a second", () => {
    const old: WrittenRun = { process: "w1", token: 1, startMs: 0, stop: [12_510, "lost"] };
    const report = judged(bookOf(old, { ...peer, startMs: 12_001 }), [freeze]);
    assert.match(report.failures.join(), /SIGSTOP → peer runs: 11001\.0 > 11000 ms/);
  });

  test("is missed when the old holder learns too late that it lost its lease", () => {
    const old: WrittenRun = { process: "w1", token: 1, startMs: 0, stop: [12_581, "lost"] };
    assert.match(judged(bookOf(old, peer), [freeze]).failures.join(), /SIGCONT → holder knows: 81\.0 > 80 ms/);
  });

  test("is missed when the old holder never learns it", () => {
    const old: WrittenRun = { process: "w1", token: 1, startMs: 0 };
    assert.match(judged(bookOf(old, peer), [freeze]).failures.join(), /SIGCONT → holder knows: Infinity > 80 ms/);
  });

  test("does not count when the process worked on meanwhile", () => {
    const old: WrittenRun = { process: "w1", token: 1, startMs: 0, steps: [5_000], stop: [12_510, "lost"] };
    assert.match(judged(bookOf(old, peer), [freeze]).failures.join(), /worked while it should have been frozen/);
  });
});

describe("a blocked event loop", () => {
  const block = mark("block", 1_000, 16_000);
  const holder: WrittenRun = { process: "w1", token: 1, startMs: 0, steps: [990, 16_005] };

  test("is fine when the same run goes on", () => {
    const report = judged(bookOf(holder), [block]);
    assert.deepEqual(report.failures, []);
    assert.deepEqual(report.events[0]?.gapsMs, [0]);
  });

  test("is missed when somebody takes the job", () => {
    const book = bookOf(
      { ...holder, steps: [990], stop: [16_005, "lost"] },
      { process: "w2", token: 2, startMs: 12_000 },
    );
    const failures = judged(book, [block]).failures.join("\n");
    assert.match(failures, /mailing: w2 took it from w1, whose loop was only blocked/);
    assert.match(failures, /mailing: w1 lost it for no reason/);
    assert.match(failures, /mailing: w2 took it from w1, which was alive/);
  });

  test("is missed when the job does not go on", () => {
    const report = judged(bookOf({ ...holder, steps: [990] }), [block]);
    assert.match(report.failures.join(), /w1 did not go on after its loop was blocked/);
  });

  test("does not count when the job worked on meanwhile", () => {
    const report = judged(bookOf({ ...holder, steps: [990, 8_000, 16_005] }), [block]);
    assert.match(report.failures.join(), /the loop of w1 was not blocked long enough/);
  });
});

describe("conflicts between runs", () => {
  const frozen: WrittenRun = { process: "w1", token: 1, startMs: 0, stop: [12_510, "lost"] };
  const peer: WrittenRun = { process: "w2", token: 2, startMs: 11_300 };
  const freeze = mark("freeze", 1_000, 12_500);

  test("a yes that was asked for after the next run had started is a failure", () => {
    const report = judged(bookOf({ ...frozen, steps: [990, 12_505] }, peer), [freeze]);
    assert.equal(report.conflicts.falseYes, 1);
    assert.match(report.failures.join(), /1 heartbeats said yes after the next run had started/);
  });

  test("a step after the next run's start, on a yes from before it, is reported and is no failure", () => {
    const report = judged(bookOf({ ...frozen, steps: [[999, 12_501]] }, peer), [freeze]);
    assert.equal(report.conflicts.falseYes, 0);
    assert.equal(report.conflicts.unfencedOverlaps, 1);
    assert.deepEqual(report.failures, []);
  });

  test("a later run with a token that did not grow is a failure", () => {
    const book = bookOf({ ...frozen, stop: [1_010, "drained"] }, { ...peer, token: 1, startMs: 1_100 });
    const report = judged(book, [mark("drain", 1_000)]);
    assert.equal(report.conflicts.tokensNotGrown, 1);
    assert.match(report.failures.join(), /1 runs had a fencing token that was not larger than before/);
  });

  test("a takeover from a process that nobody touched is a failure", () => {
    const book = bookOf({ process: "w1", token: 1, startMs: 0 }, { process: "w2", token: 2, startMs: 500 });
    assert.match(judged(book, []).failures.join(), /mailing: w2 took it from w1, which was alive/);
  });

  test("a freeze excuses only the runs that it interrupted", () => {
    const again: WrittenRun = { process: "w1", token: 3, startMs: 20_000, stop: [21_000, "lost"] };
    const book = bookOf(frozen, { ...peer, stop: [19_990, "drained"] }, again);
    assert.match(judged(book, [freeze]).failures.join(), /mailing: w1 lost it for no reason/);
  });

  test("a run that ended with an error of its own is a failure", () => {
    const book = bookOf({ process: "w1", token: 1, startMs: 0, stop: [10, "failed"] });
    assert.match(judged(book, []).failures.join(), /mailing: the run on w1 failed/);
  });

  test("a job that was never run is a failure", () => {
    const report = judged(bookOf(peer), [], { jobs: ["mailing", "reports"] });
    assert.deepEqual(report.neverRun, ["reports"]);
    assert.match(report.failures.join(), /reports was never run/);
  });
});

describe("the fenced resource", () => {
  const write = (run: string, token: number, accepted = true) => ({ job: "mailing", run, token, accepted });

  test("writes of one holder after the other are no overlap, and refused ones count for nothing", () => {
    assert.equal(countFencedOverlaps([write("a", 1), write("b", 2), write("a", 1, false), write("b", 2)]), 0);
  });

  test("an accepted write of the older holder after the newer one's is an overlap, and makes the run fail", () => {
    const ledger = [write("a", 1), write("b", 2), write("a", 1), write("b", 2)];
    assert.equal(countFencedOverlaps(ledger), 1);
    const report = judged(bookOf({ process: "w1", token: 1, startMs: 0 }), [], { ledger });
    assert.match(report.failures.join(), /1 accepted writes of an older holder/);
  });

  test("two runs with one token overlap, since no resource can tell them apart", () => {
    assert.equal(countFencedOverlaps([write("a", 1), write("b", 1)]), 1);
  });

  test("jobs do not get into each other's way", () => {
    assert.equal(countFencedOverlaps([write("a", 2), { ...write("b", 1), job: "reports" }]), 0);
  });

  test("the ledger refuses a token smaller than the largest it has seen for that job", () => {
    const ledger = new Ledger();
    assert.equal(ledger.write({ job: "mailing", run: "a", token: 1 }).accepted, true);
    assert.equal(ledger.write({ job: "mailing", run: "b", token: 2 }).accepted, true);
    assert.equal(ledger.write({ job: "mailing", run: "a", token: 1 }).accepted, false);
    assert.equal(ledger.write({ job: "reports", run: "c", token: 1 }).accepted, true);
    assert.deepEqual(
      ledger.entries.map((entry) => entry.accepted),
      [true, true, false, true],
    );
  });
});
