// Mutants of revoking, of circles of waits and of hierarchies.

import type { Mutant } from "./mutant.js";

const contract = ["databases/redis/redis-database"];

export const manyKeysMutants: readonly Mutant[] = [
  {
    name: "revoked-share-is-counted-twice",
    rule: "Q4, ADR 0008",
    file: "src/databases/redis/holders.lua",
    find: 'return isRoom and not redis.call("HMGET", held.key, want.id)[1]',
    replace: "return isRoom",
    caughtBy: contract,
    protocol: true,
  },
  {
    name: "force-tells-no-ping",
    rule: "S1, DESIGN.md 4.7",
    file: "src/databases/redis/revoke.lua",
    find: '  redis.call("HSET", KEYS[4], "lost", whole(tonumber(v[4] or "0") + 1))\n',
    replace: "",
    caughtBy: contract,
    protocol: true,
  },
  {
    name: "first-of-a-circle-is-the-victim",
    rule: "Q7, ADR 0008",
    file: "src/deadlock.ts",
    find: "a.ticket > b.ticket ? a : b;",
    replace: "a.ticket < b.ticket ? a : b;",
    caughtBy: ["deadlock", "blocked-waits"],
  },
  {
    name: "wait-is-said-once-for-all-eras",
    rule: "Q7, ADR 0008",
    file: "src/blocked-marks.ts",
    find: "for (const wait of waits) wait.markAgain();",
    replace: "",
    caughtBy: ["blocked-waits"],
    protocol: true,
  },
  {
    name: "only-the-last-marks-are-taken-back",
    rule: "S5, ADR 0008",
    file: "src/blocked-wait.ts",
    find: "for (const leaseNumber of this.leases) this.markedLeases.add(leaseNumber);",
    replace: "this.markedLeases.clear(); for (const n of this.leases) this.markedLeases.add(n);",
    caughtBy: ["blocked-waits"],
  },
  {
    name: "old-data-brings-marks-back",
    rule: "S5, ADR 0008",
    file: "src/blocked-marks.ts",
    find: "if (over.length > 0) this.#follow(this.#erase(new Set(over)));",
    replace: "",
    caughtBy: ["blocked-waits"],
  },
  {
    name: "circle-is-read-once",
    rule: "Q7, ADR 0008",
    file: "src/blocked-waits.ts",
    find: "return isOwn && cycle.every((step, i) => isStill(step, later[i]!));",
    replace: "return isOwn && later.length === cycle.length;",
    caughtBy: ["deadlock", "blocked-waits"],
  },
  {
    name: "what-lies-just-above-is-not-held",
    rule: "ADR 0008",
    file: "src/hierarchy.ts",
    find: "names.slice(1).map((_name, i)",
    replace: "names.slice(2).map((_name, i)",
    caughtBy: ["hierarchy"],
  },
];
