import type { Mutant } from "./mutant.js";

const defaults = "src/databases/default-database.ts";

/** A wrong database is as bad as none: two processes that take different ones are both granted every key. */
export const environmentMutants: readonly Mutant[] = [
  {
    name: "redis-url-before-our-own",
    rule: "S1, ADR 0012",
    file: defaults,
    find: 'env["PULSELOCK_URL"] || env["REDIS_URL"]',
    replace: 'env["REDIS_URL"] || env["PULSELOCK_URL"]',
    caughtBy: ["databases/default-database"],
  },
  {
    name: "empty-variable-names-a-database",
    rule: "S1, ADR 0012",
    file: defaults,
    find: 'env["PULSELOCK_URL"] || env["REDIS_URL"]',
    replace: 'env["PULSELOCK_URL"] ?? env["REDIS_URL"]',
    caughtBy: ["databases/default-database"],
  },
  {
    name: "default-file-follows-home",
    rule: "S1, ADR 0012",
    file: defaults,
    find: 'process.platform === "win32" ? homedir() : userInfo().homedir',
    replace: "homedir()",
    caughtBy: ["databases/default-database"],
  },
  {
    name: "default-database-is-not-told",
    rule: "S1, ADR 0012",
    file: defaults,
    find: 'process.emitWarning(message, { code: "PULSELOCK_ONE_HOST" });',
    replace: "void message;",
    caughtBy: ["databases/default-database"],
  },
  {
    name: "undefined-database-is-none",
    rule: "S1, ADR 0012",
    file: "src/environment.ts",
    find: 'if ("database" in given) {',
    replace: "if (given.database !== undefined) {",
    caughtBy: ["environment"],
  },
  {
    name: "misspelt-variable-is-passed-over",
    rule: "S1, C1",
    file: "src/environment.ts",
    find: "if (!variable) throw new OptionError(",
    replace: "if (!variable) continue; else if (name === text) throw new OptionError(",
    caughtBy: ["environment"],
  },
  {
    name: "prefix-of-the-environment-is-dropped",
    rule: "S1, ADR 0002",
    file: "src/environment.ts",
    find: "database: prefix ? openUrl(url, prefix) : url",
    replace: "database: url",
    caughtBy: ["environment"],
  },
];
