import { StoreError, type StoreErrorCode } from "../../errors.js";

/** What a server's words mean, and what to do about it. Order matters: the first that fits is taken. */
const MEANINGS: readonly [RegExp, StoreErrorCode, string][] = [
  [/PULSELOCK_NEWER (.*)/, "newer-version", "a newer pulselock has written here; upgrade this process"],
  [/PULSELOCK_FOREIGN/, "foreign-value", "the key holds a value that is not a lease; it was left untouched"],
  [/WRONGTYPE/, "foreign-value", "the key holds a value of another type; it was left untouched"],
  [/WRONGPASS|invalid password/i, "denied", "wrong user name or password"],
  [/NOAUTH/, "denied", "the server asks for a password"],
  [
    /NOPERM|ACL|no permissions|can't run this command or subcommand/i,
    "denied",
    "the user lacks a right (see README, ACL)",
  ],
  [/READONLY/, "read-only", "the server is a replica; connect to the primary"],
  [/OOM /, "out-of-memory", "the store has no memory left; nothing was granted"],
  [/unknown command|ERR unknown/i, "unsupported", "the server lacks a command; Redis 6.2 or newer is needed"],
  [/certificate required/i, "denied", "the server asks for a certificate of ours: tls.cert and tls.key"],
  [
    /certificate/i,
    "denied",
    "the server's certificate is not trusted: is tls.ca its authority's, is it for this host?",
  ],
  [
    /wrong version number|SSL|EPROTO|packet length too long/i,
    "denied",
    "TLS and the server's port do not fit together",
  ],
];

/** Any failure of the driver or the server as a StoreError; what is not known by name counts as "unreachable". */
export function toStoreError(cause: unknown, what = "Redis"): StoreError {
  if (cause instanceof StoreError) return cause;
  const text = cause instanceof Error ? messageOf(cause) : String(cause);
  for (const [pattern, code, advice] of MEANINGS) {
    if (pattern.test(text)) return new StoreError(code, `${what}: ${advice} (${text})`, cause);
  }
  const isReply = cause instanceof Error && cause.name === "ReplyError";
  return new StoreError("unreachable", `${what}: ${isReply ? "refused for now" : "no answer"} (${text})`, cause);
}

/** Up to Redis 7.0 the server says only in which line of a script the user lacks a right: not to what. */
export function nameDeniedCommand(error: StoreError, lua: string): StoreError {
  const line = /can't run this command.*@user_script: ?(\d+)/s.exec(error.message)?.[1];
  const command = line && /redis\.p?call\("(\w+)"/.exec(lua.split("\n")[Number(line) - 1] ?? "")?.[1];
  return command ? new StoreError(error.code, `${error.message}: ${command}`, error.cause) : error;
}

/** ECONNREFUSED on several addresses is an AggregateError with an empty message. */
function messageOf(error: Error): string {
  if (error.message) return error.message;
  const parts =
    error instanceof AggregateError ? error.errors.map((e) => (e instanceof Error ? e.message : String(e))) : [];
  return parts.join("; ") || (error as NodeJS.ErrnoException).code || error.name;
}
