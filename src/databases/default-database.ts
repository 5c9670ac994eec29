import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import { OptionError } from "../errors.js";

let hasWarned = false;

/**
 * The URL of the database of a locker that was given none: what the environment names, else a SQLite file of this user.
 * Said once, since what worked on one host would fail on two without a word.
 */
export function defaultDatabaseUrl(env: NodeJS.ProcessEnv = process.env): string {
  const named = env["PULSELOCK_URL"] || env["REDIS_URL"];
  const fallback = env["PULSELOCK_FALLBACK_URL"];
  if (fallback) return `${checkPreferred(named, fallback)} ${fallback}`;
  if (named) return named;
  const path = defaultFile();
  if (!hasWarned) {
    hasWarned = true;
    const message =
      `No database was given, nor PULSELOCK_URL or REDIS_URL: locks are kept in ${path} and coordinate ` +
      "the processes of this user on this host only";
    process.emitWarning(message, { code: "PULSELOCK_ONE_HOST" });
  }
  return `sqlite:${encodeURI(path).replaceAll("?", "%3f").replaceAll("#", "%23")}`;
}

/** Of two tiers, which openUrl() knows by the space between their URLs: that of the preferred one. */
function checkPreferred(named: string | undefined, fallback: string): string {
  const name = "PULSELOCK_FALLBACK_URL";
  if (!/^postgres(ql)?:/.test(fallback)) throw new OptionError(name, fallback, "must be a postgres:// URL");
  if (!named) throw new OptionError(name, fallback, "is of no use without PULSELOCK_URL or REDIS_URL");
  return named;
}

/**
 * In the user's home as the system knows it, not as the environment says: a shell, a cron job and a service of one user
 * differ in HOME, TMPDIR and XDG_*, and with two files each would be granted every key. Windows keeps it in the
 * environment alone.
 */
function defaultFile(): string {
  try {
    const home = process.platform === "win32" ? homedir() : userInfo().homedir;
    if (home) return join(home, ".pulselock", "locks.db");
  } catch {
    // A user id that the system does not know, as in many containers.
  }
  const rule = "must be given, or PULSELOCK_URL or REDIS_URL: this user has no home folder for a default file";
  throw new OptionError("database", undefined, rule);
}
