// Rules of who comes back in a new era: docs/adr/0006-eras.md, 0015-evidence-of-the-living.md.

import type { Mutant } from "./mutant.js";

export const livedMutants: readonly Mutant[] = [
  {
    name: "outlived-session-comes-back",
    rule: "S1, ADR 0015",
    file: "src/databases/redis/prelude.lua",
    find: 'if isOutlived or (v[5] == "1" and not isFresh) then',
    replace: 'if v[5] == "1" and not isFresh then',
    protocol: true,
    caughtBy: ["databases/redis/redis-database"],
  },
  {
    name: "silent-session-comes-back-to-old-data",
    rule: "S1, ADR 0015",
    file: "src/databases/redis/prelude.lua",
    find: 'if isOutlived or (v[5] == "1" and not isFresh) then',
    replace: "if isOutlived then",
    protocol: true,
    caughtBy: ["databases/redis/redis-database"],
  },
  {
    name: "eras-fall-back-with-the-data",
    rule: "S1, ADR 0015",
    file: "src/databases/redis/begin.lua",
    find: "if lived >= ns.eraNumber then",
    replace: "if false then",
    protocol: true,
    caughtBy: ["databases/redis/redis-database"],
  },
  {
    name: "late-begin-spares-the-judgement",
    rule: "S1, ADR 0015",
    file: "src/databases/redis/begin.lua",
    find: 'if ns.recovering and mode == "provisional" and old[3] ~= "1" then',
    replace: "if false then",
    caughtBy: ["databases/redis/redis-database"],
  },
  {
    name: "frozen-session-needs-no-data",
    rule: "S1, ADR 0015",
    file: "src/trust.ts",
    find: "return hasBroken && facts.ranMs === Infinity ?",
    replace: "return hasBroken ?",
    caughtBy: ["trust"],
  },
  {
    name: "late-answer-is-evidence",
    rule: "L4, ADR 0015",
    file: "worker/service-record.ts",
    find: "if (betweenMs(sent, readInstant(this.#clock)) >= this.#gapMsMax) return;",
    replace: "",
    caughtBy: ["worker/service-record"],
  },
  {
    name: "main-thread-may-miss-an-era",
    rule: "S1, ADR 0006",
    file: "src/session.ts",
    find: "return hasMissed && lease.era !== stamp.identity.era;",
    replace: "return false;",
    caughtBy: ["holdings"],
  },
];
