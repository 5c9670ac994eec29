import nodeModule from "node:module"; // as a whole: bundles often declare a createRequire of their own
import { OptionError } from "../../../errors.js";

/** What is needed of a SQLite: Node's own, or the package libsql, which have these alike. All of it is synchronous. */
export interface SqliteDriver {
  exec(sql: string): void;
  prepare(sql: string): SqliteStatement;
  close(): void;
}
/** Without get(): in libsql one that follows all() on the same statement is asked with the values of that. */
export interface SqliteStatement {
  run(...values: (string | number)[]): unknown;
  all(...values: (string | number)[]): Record<string, unknown>[];
}
type DriverClass = new (path: string) => SqliteDriver;

/** Node's own (from 22.13 on), else the optional peer dependency. See docs/adr/0011. */
export function loadDriver(): DriverClass {
  const own = process.getBuiltinModule?.("node:sqlite" as "node:fs") as { DatabaseSync?: DriverClass } | undefined;
  if (own?.DatabaseSync) return own.DatabaseSync;
  try {
    return requireFrom()("libsql") as DriverClass;
  } catch (cause) {
    const rule = "needs Node 22.13 or newer, which brings its own SQLite, or the package libsql: npm install libsql";
    throw Object.assign(new OptionError("database", "sqlite", rule), { cause });
  }
}

/** A bundle that is no ES module does not know where it lies: then the application's own folder is asked. */
function requireFrom(): NodeJS.Require {
  try {
    return nodeModule.createRequire(import.meta.url);
  } catch {
    return nodeModule.createRequire(`${process.cwd()}/package.json`);
  }
}
