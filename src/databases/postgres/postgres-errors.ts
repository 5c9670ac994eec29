import { StoreError, type StoreErrorCode } from "../../errors.js";

const RIGHTS =
  "the user lacks a right: let somebody who may run what `PostgresDatabase.migration({ grantTo })` prints " +
  "(docs/databases/postgres.md)";
const NOT_MADE =
  "its tables or functions are not there, and this user may not make them: GRANT CREATE ON DATABASE to it, or let " +
  "somebody who may run what `PostgresDatabase.migration({ grantTo })` prints (docs/databases/postgres.md)";

/** What SQLSTATEs mean, by how they begin. Order matters: the first that fits is taken. */
const STATES: readonly [RegExp, StoreErrorCode, string][] = [
  [/^28/, "denied", "wrong user name or password, or this host is not let in (pg_hba.conf)"],
  [/^3D000/, "denied", "there is no such database"],
  [/^42501/, "denied", RIGHTS],
  [/^25006/, "read-only", "the server is a standby or read-only; connect to the primary"],
  [/^(53100|53200)/, "out-of-memory", "the server has no disk or memory left; nothing was granted"],
  [/^53300/, "unreachable", "too many connections: raise max_connections, or put a pooler before it"],
  [/^57P0/, "unreachable", "the server ended the connection or does not serve just now"],
  [/^(57014|55P03)/, "unreachable", "it took too long"],
];

/** What our functions say, and what the driver says without a SQLSTATE. */
const WORDS: readonly [RegExp, StoreErrorCode, string][] = [
  [/PULSELOCK_NEWER (.*)/, "newer-version", "a newer pulselock has written here; upgrade this process"],
  [
    /PULSELOCK_ISOLATION/,
    "unsupported",
    "it must run in read committed: ALTER ROLE … SET default_transaction_isolation = 'read committed'",
  ],
  [
    /certificate/i,
    "denied",
    "the server's certificate is not trusted: is sslrootcert or ssl.ca its authority's, is it for this host?",
  ],
  [/does not support SSL|SSL|EPROTO|wrong version number/i, "denied", "TLS and the server's port do not fit together"],
  [/password/i, "denied", "a password is wrong or missing"],
];

/** Any failure of the driver or the server as a StoreError; what is not known by name counts as "unreachable". */
export function toStoreError(cause: unknown, what = "PostgreSQL"): StoreError {
  if (cause instanceof StoreError) return cause;
  const text = cause instanceof Error ? messageOf(cause) : String(cause);
  const state = sqlState(cause);
  const known = state ? STATES.find(([pattern]) => pattern.test(state)) : undefined;
  const [, code, advice] =
    WORDS.find(([pattern]) => pattern.test(text) && (!state || state === "P0001")) ?? known ?? [];
  if (code) return new StoreError(code, `${what}: ${advice} (${text})`, cause);
  return new StoreError("unreachable", `${what}: ${state ? "refused for now" : "no answer"} (${text})`, cause);
}

/** The schema could not be made. */
export function toSchemaError(cause: unknown, schema: string): StoreError {
  const what = `PostgreSQL, schema ${JSON.stringify(schema)}`;
  if (sqlState(cause) !== "42501") return toStoreError(cause, what);
  return new StoreError("denied", `${what}: ${NOT_MADE} (${messageOf(cause as Error)})`, cause);
}

/** Nothing was done: a deadlock's victim, or what met a change. It is asked again at once. */
export function isRetryable(cause: unknown): boolean {
  return ["40001", "40P01"].includes(sqlState(cause) ?? "");
}

/** The functions went away under us: the next connection makes them again. */
export function isSchemaGone(cause: unknown): boolean {
  return ["42883", "3F000", "42P01"].includes(sqlState(cause) ?? "");
}

function sqlState(cause: unknown): string | undefined {
  const code = (cause as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && code !== "EPIPE" ? code : undefined;
}

/** ECONNREFUSED on several addresses is an AggregateError with an empty message. */
function messageOf(error: Error): string {
  if (error.message) return error.message;
  const parts =
    error instanceof AggregateError ? error.errors.map((e) => (e instanceof Error ? e.message : String(e))) : [];
  return parts.join("; ") || (error as NodeJS.ErrnoException).code || error.name;
}
