import type { Mutant } from "./mutant.js";

const local = "src/databases/local";

/** What the stores on one host must not do. */
export const oneHostMutants: readonly Mutant[] = [
  {
    name: "replaced-file-is-used-on",
    rule: "S1, ADR 0012",
    file: `${local}/sqlite/sqlite-connection.ts`,
    find: "if (identify(this.#settings.path) !== facts.file) throw this.#replaced;",
    replace: "",
    caughtBy: ["databases/sqlite/processes"],
  },
  {
    name: "another-file-is-the-same-memory",
    rule: "S1, ADR 0012",
    file: `${local}/step.ts`,
    find: "const isSame = isSameBoot && known.file === file;",
    replace: "const isSame = isSameBoot;",
    caughtBy: ["databases/memory/contract"],
  },
  {
    name: "remembered-rows-outlive-another-commit",
    rule: "S1, ADR 0011",
    file: `${local}/sqlite/sqlite-records.ts`,
    find: "if (version !== this.#knownVersion || this.#known.size > REMEMBERED_MAX) this.#known.clear();",
    replace: "if (this.#known.size > REMEMBERED_MAX) this.#known.clear();",
    caughtBy: ["databases/sqlite/contract"],
  },
  {
    name: "dead-processes-listen",
    rule: "L1, ADR 0012",
    file: `${local}/sqlite/sqlite-database.ts`,
    find: 'isGone: (other) => proveProcess(other, proofs) === "dead",',
    replace: "isGone: () => false,",
    caughtBy: ["databases/sqlite/processes"],
  },
  {
    name: "another-boot-is-a-loss",
    rule: "ADR 0012",
    file: `${local}/step.ts`,
    find: "if (isOtherBoot || (!known && isFresh)) this.closeWindow();",
    replace: "if (!known && isFresh) this.closeWindow();",
    caughtBy: ["databases/sqlite/files"],
    testName: "after another start of the host no window is needed: nobody lives who held anything",
  },
  {
    name: "new-file-is-open-at-once",
    rule: "S1, ADR 0012",
    file: `${local}/sqlite/sqlite-connection.ts`,
    find: "isFresh: false,",
    replace: "isFresh: true,",
    caughtBy: ["databases/sqlite/contract", "databases/sqlite/processes"],
  },
  {
    name: "wall-clock-is-the-store-clock",
    rule: "S4, ADR 0012",
    file: `${local}/step.ts`,
    find: "this.nowUs = hostUs + clockOffsetUs;",
    replace: "this.nowUs = Math.floor(facts.wallMs() * 1_000);",
    caughtBy: ["databases/sqlite/files"],
    testName: "the store's clock is the host's monotonic one: a wall clock that is set changes nothing",
  },
  {
    name: "locked-file-is-waited-for-in-sqlite",
    rule: "L2, ADR 0012",
    file: `${local}/sqlite/sqlite-file.ts`,
    find: "const BUSY_MS = 5;",
    replace: "const BUSY_MS = 900;",
    caughtBy: ["databases/sqlite/files"],
    testName: "while a file is locked its step waits by a timer, and the thread goes on",
  },
  {
    name: "steps-overtake-each-other",
    rule: "S5, ADR 0012",
    file: `${local}/sqlite/sqlite-connection.ts`,
    find: "if (!this.#retry) this.#work();",
    replace: "this.#jobs.unshift(this.#jobs.pop()!), this.#work();",
    caughtBy: ["databases/sqlite/order"],
  },
];
