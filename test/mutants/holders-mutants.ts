// Rules of keys that several hold, and of asking for a key back: docs/adr/0008-waiting.md.

import type { Mutant } from "./mutant.js";

export const holdersMutants: readonly Mutant[] = [
  {
    name: "force-release-without-waiting",
    rule: "S1, ADR 0008",
    file: "src/databases/redis/acquire.lua",
    find: "return math.min(steadyMs, nowMs - tonumber(lease.markedMs)) >= tonumber(lease.steadyMs)",
    replace: "return true",
    caughtBy: ["databases/redis/redis-database"],
  },
  {
    name: "revoke-asks-some-of-the-holders",
    rule: "S1, ADR 0008",
    file: "src/databases/redis/read-holders.lua",
    find: "describe(held, (readClock()), true)",
    replace: "describe(held, (readClock()))",
    caughtBy: ["databases/redis/redis-database", "revocation"],
  },
  {
    name: "revocation-without-an-end",
    rule: "L4, DESIGN 5",
    file: "src/revocation.ts",
    find: "clock.timer(acquireTimeoutMs, () => clock.afterInput(onLate))",
    replace: "clock.timer(2 ** 31 - 1, () => clock.afterInput(onLate))",
    caughtBy: ["revocation"],
    isAboutEnding: true,
  },
  {
    name: "dead-among-many-are-found-by-chance",
    rule: "L1, ADR 0008 decision 3",
    file: "src/contention.ts",
    find: "if (!one || told.length < HOLDERS_TOLD) return told;",
    replace: "if (!one || told.length > 0) return told;",
    caughtBy: ["waiting/watching"],
  },
  {
    name: "dead-holder-keeps-out-other-modes",
    rule: "L1, ADR 0008",
    file: "src/acquisition.ts",
    find: "if (!(error instanceof LockModeError) || holders.length === 0) throw error;",
    replace: "if (!(error instanceof LockModeError) || holders.length >= 0) throw error;",
    caughtBy: ["waiting/modes"],
  },
  {
    name: "refused-for-its-mode-by-who-may-be-dead",
    rule: "L1, ADR 0008",
    file: "src/refusal.ts",
    find: 'const mayBeDead = next === "unsure" || (isMisfit && queues);',
    replace: 'const mayBeDead = next === "unsure" && !isMisfit;',
    caughtBy: ["acquisition-held"],
  },
];
