import type { Mutant } from "./mutant.js";

/** What a locker behind sentinels, in a cluster, or with acknowledging replicas must not do. */
export const routeMutants: readonly Mutant[] = [
  {
    name: "moving-slot-is-no-break",
    rule: "S4, ADR 0013",
    file: "src/databases/redis/redis-liveness.ts",
    find: "this.#connection.close(error);",
    replace: "void error;",
    caughtBy: ["faults/store-cluster"],
  },
  {
    name: "pings-not-acknowledged",
    rule: "S1, ADR 0013",
    file: "src/databases/redis/replicas.ts",
    find: '  ping: ([status]) => status === "alive" || status === "recovering",\n',
    replace: "",
    caughtBy: ["faults/store-replicas"],
  },
  {
    name: "handed-on-without-acknowledgement",
    rule: "S1, ADR 0013",
    file: "src/databases/redis/replicas.ts",
    find: '{ ...push, era: "" }',
    replace: "push",
    caughtBy: ["faults/store-replicas"],
  },
  {
    name: "demoted-master-kept",
    rule: "L4, ADR 0013",
    file: "src/databases/redis/sentinel-route.ts",
    find: 'return words.startsWith("READONLY");',
    replace: 'return words === "READONLY";',
    caughtBy: ["faults/store-sentinel"],
  },
  {
    name: "shards-not-compared",
    rule: "S1, ADR 0013",
    file: "src/databases/redis/shards.ts",
    find: "if (known === String(this.count)) return;",
    replace: "if (known !== null) return;",
    caughtBy: ["databases/redis/shards"],
  },
];
