import assert from "node:assert/strict";
import { test } from "node:test";
import { readLook, seenIn, TermsOf } from "./primary-watch.js";

const master = (calls: number, run = "r1") => ({ run, isMaster: true, calls });
const replica = (calls: number, run = "r1") => ({ run, isMaster: false, calls });

/** A and B, each from its looks: when, and what it said. */
function seen(...servers: [atMs: number, look: ReturnType<typeof master> | undefined][][]) {
  const all = servers.map((looks) => {
    const terms = new TermsOf({});
    for (const [atMs, look] of looks) terms.look(look, atMs);
    return terms;
  });
  return seenIn(all.flatMap(({ terms }) => terms));
}

test("a master that is used to its end, and then another one, are no two worlds", () => {
  const found = seen(
    [
      [0, master(10)],
      [100, master(20)],
      [200, undefined],
    ],
    [
      [0, replica(0)],
      [300, replica(0)],
      [400, master(0)],
      [500, master(5)],
    ],
  );
  assert.deepEqual(found, [{ kind: "promotion", target: "store", fromMs: 300, toMs: 400 }]);
});

test("an old master that is used after the new one was makes two worlds, from then to its last use", () => {
  const found = seen(
    [
      [0, master(10)],
      [900, master(10)],
      [1_000, master(11)],
      [1_100, replica(12)],
      [1_200, replica(13)],
    ],
    [
      [0, replica(0)],
      [400, master(0)],
      [500, master(5)],
      [1_200, master(20)],
    ],
  );
  assert.deepEqual(
    found.filter(({ kind }) => kind === "two-masters"),
    [{ kind: "two-masters", target: "store", fromMs: 900, toMs: 1_100 }],
    "what it executed since the last look before its demotion counts, what it refused after that does not",
  );
});

test("an old master that only runs, unused, makes no two worlds", () => {
  const found = seen(
    [
      [0, master(10)],
      [5_000, master(10)],
    ],
    [
      [0, replica(0)],
      [400, master(0)],
      [500, master(5)],
    ],
  );
  assert.deepEqual(
    found.map(({ kind }) => kind),
    ["promotion"],
  );
});

test("a master that comes back and is used by who does not know better makes two worlds while it is", () => {
  const found = seen(
    [
      [0, master(10)],
      [100, undefined],
      [2_000, master(0, "r2")],
      [2_040, master(1, "r2")],
      [2_080, replica(1, "r2")],
    ],
    [
      [0, replica(0)],
      [960, master(0)],
      [1_000, master(5)],
      [2_000, master(90)],
      [2_300, master(95)],
      [9_000, master(900)],
    ],
  );
  const splits = found.filter(({ kind }) => kind !== "promotion");
  assert.deepEqual(splits, [{ kind: "two-masters", target: "store", fromMs: 2_000, toMs: 2_040 }]);
});

test("what a master that stood still has executed was executed after its thaw", () => {
  const old = new TermsOf({});
  old.look(master(0), 0);
  old.look(master(10), 100);
  old.stood(2_000);
  old.look(master(14), 2_040);
  const next = new TermsOf({});
  next.look(replica(0), 0);
  next.look(master(0), 900);
  next.look(master(3), 1_000);
  next.look(master(30), 3_000);
  const split = seenIn([...old.terms, ...next.terms]).find(({ kind }) => kind === "two-masters");
  assert.deepEqual([split?.fromMs, split?.toMs], [2_000, 2_040]);
});

const replacedAt1000: Parameters<typeof seen>[0] = [
  [0, replica(0)],
  [960, replica(0)],
  [1_000, master(0)],
];
const promotion = { target: "store", fromMs: 960, toMs: 1_000 };

test("a master that is replaced while it stands still is told from one that has died or is asked to go", () => {
  const died = [
    [0, master(10)],
    [100, master(20)],
    [140, undefined],
  ] as Parameters<typeof seen>[0];
  assert.deepEqual(seen(died, replacedAt1000), [{ kind: "promotion", ...promotion }]);
  const asked = [
    [0, master(10)],
    [900, master(90)],
    [940, master(95)],
    [1_100, replica(97)],
  ] as typeof died;
  assert.deepEqual(seen(asked, replacedAt1000), [
    { kind: "promotion", ...promotion },
    { kind: "lost-writes", target: "store", fromMs: 960, toMs: 1_100 },
  ]);
  const stopped = [
    [0, master(10)],
    [100, master(20)],
  ] as typeof died;
  assert.deepEqual(seen(stopped, replacedAt1000), [{ kind: "silent-replaced", ...promotion }]);
  const paused = [
    [0, master(10)],
    [100, master(20)],
    [1_200, master(25)],
  ] as typeof died;
  assert.deepEqual(seen(paused, replacedAt1000)[0], { kind: "silent-replaced", ...promotion });
});

test("a master that comes back under another run is another term, and no promotion", () => {
  const found = seen([
    [0, master(10)],
    [100, undefined],
    [300, master(4, "r2")],
  ]);
  assert.deepEqual(found, []);
});

test("a look counts the scripts that were executed and not refused", () => {
  const info =
    "# Server\r\nrun_id:abc\r\n# Replication\r\nrole:master\r\n# Commandstats\r\n" +
    "cmdstat_evalsha:calls=10,usec=9,usec_per_call=1.00,rejected_calls=1,failed_calls=3\r\n" +
    "cmdstat_eval:calls=2,usec=9,usec_per_call=1.00,rejected_calls=0,failed_calls=0\r\n";
  assert.deepEqual(readLook(info), { run: "abc", isMaster: true, calls: 9 });
});
