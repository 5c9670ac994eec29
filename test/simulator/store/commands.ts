// The commands that the scripts call, as Redis 7.0 executes them inside a script. One that is not here is an exception,
// never a reply: a simulation that guesses proves nothing.

import type { Keyspace, Value } from "./keyspace.js";
import type { ErrorReply, Reply } from "./replies.js";

/** One instant of a server. Time stands still while a script runs. */
export interface ServerView {
  readonly keyspace: Keyspace;
  readonly nowUs: number;
  readonly nowMs: number;
  info(section: string): string;
  publish(channel: string, message: string): number;
  subscribers(channel: string): number;
}

export interface Command {
  /** As COMMAND INFO tells it: with the name; negative: at least so many. */
  readonly arity: number;
  readonly isWrite?: boolean;
  /** Refused when memory is full. */
  readonly needsMemory?: boolean;
  execute(server: ServerView, args: readonly string[]): Reply;
}

const WRONG_TYPE: ErrorReply = { err: "WRONGTYPE Operation against a key holding the wrong kind of value" };
const NOT_INTEGER: ErrorReply = { err: "ERR value is not an integer or out of range" };
const SYNTAX: ErrorReply = { err: "ERR syntax error" };
const INTEGER_MOST = 2n ** 63n - 1n;
const OK = { ok: "OK" };

export const commands: ReadonlyMap<string, Command> = new Map<string, Command>([
  ["TIME", { arity: 1, execute: ({ nowUs }) => [String(Math.floor(nowUs / 1e6)), String(nowUs % 1e6)] }],
  ["INFO", { arity: -1, execute: (server, [, section = ""]) => server.info(section) }],
  ["GET", { arity: 2, execute: get }],
  ["EXISTS", { arity: -2, execute: exists }],
  ["SET", { arity: -3, isWrite: true, needsMemory: true, execute: set }],
  ["DEL", { arity: -2, isWrite: true, execute: del }],
  ["PEXPIRE", { arity: -3, isWrite: true, execute: pexpire }],
  ["PTTL", { arity: 2, execute: pttl }],
  ["HSET", { arity: -4, isWrite: true, needsMemory: true, execute: hset }],
  ["HDEL", { arity: -3, isWrite: true, execute: hdel }],
  ["HGET", { arity: 3, execute: (server, [, key, field]) => onHash(server, key!, (h) => h?.get(field!) ?? null) }],
  ["HLEN", { arity: 2, execute: (server, [, key]) => onHash(server, key!, (hash) => hash?.size ?? 0) }],
  ["HGETALL", { arity: 2, execute: (server, [, key]) => onHash(server, key!, (h) => (h ? [...h].flat() : [])) }],
  ["HMGET", { arity: -3, execute: hmget }],
  ["PUBLISH", { arity: 3, execute: (server, [, channel, message]) => server.publish(channel!, message!) }],
  ["PUBSUB", { arity: -2, execute: pubsub }],
]);

function get({ keyspace }: ServerView, [, key]: readonly string[]): Reply {
  const value = keyspace.read(key!);
  if (value === undefined) return null;
  return typeof value === "string" ? value : WRONG_TYPE;
}

/** A key that is named twice counts twice. */
function exists({ keyspace }: ServerView, [, ...keys]: readonly string[]): Reply {
  return keys.filter((key) => keyspace.read(key) !== undefined).length;
}

/** Plain, or with PX, or with PX and NX. */
function set({ keyspace, nowMs }: ServerView, args: readonly string[]): Reply {
  const [, key, value, option, ms, condition] = args;
  if (option === undefined) {
    keyspace.write(key!, value!, undefined);
    return OK;
  }
  const isKnown = option.toUpperCase() === "PX" && (condition === undefined || condition.toUpperCase() === "NX");
  if (!isKnown || args.length > 6) throw new Error(`not simulated: SET with ${args.slice(3)}`);
  if (ms === undefined) return SYNTAX;
  const expiry = parseInteger(ms);
  if (expiry === undefined) return NOT_INTEGER;
  if (expiry <= 0n || isTooLate(expiry, nowMs)) return { err: "ERR invalid expire time in 'set' command" };
  if (condition !== undefined && keyspace.read(key!) !== undefined) return null;
  keyspace.write(key!, value!, nowMs + Number(expiry));
  return OK;
}

function del({ keyspace }: ServerView, [, ...keys]: readonly string[]): Reply {
  return keys.filter((key) => keyspace.remove(key)).length;
}

/** An expiry that is over already removes the key, and counts as done. */
function pexpire({ keyspace, nowMs }: ServerView, args: readonly string[]): Reply {
  if (args.length > 3) throw new Error(`not simulated: PEXPIRE with ${args.slice(3)}`);
  const [, key, ms] = args;
  const expiry = parseInteger(ms!);
  if (expiry === undefined) return NOT_INTEGER;
  if (isTooLate(expiry, nowMs)) return { err: "ERR invalid expire time in 'pexpire' command" };
  const isDone = expiry <= 0n ? keyspace.remove(key!) : keyspace.expireAt(key!, nowMs + Number(expiry));
  return isDone ? 1 : 0;
}

function pttl({ keyspace, nowMs }: ServerView, [, key]: readonly string[]): Reply {
  if (keyspace.read(key!) === undefined) return -2;
  const expiresAtMs = keyspace.expiresAt(key!);
  return expiresAtMs === undefined ? -1 : expiresAtMs - nowMs;
}

function hset({ keyspace }: ServerView, args: readonly string[]): Reply {
  if (args.length % 2 === 1) return { err: "ERR wrong number of arguments for 'hset' command" };
  const key = args[1]!;
  let hash: Value | undefined = keyspace.read(key);
  if (hash === undefined) {
    hash = new Map<string, string>();
    keyspace.write(key, hash, undefined);
  }
  if (!(hash instanceof Map)) return WRONG_TYPE;
  const before = hash.size;
  for (let i = 2; i < args.length; i += 2) hash.set(args[i]!, args[i + 1]!);
  return hash.size - before;
}

/** A hash without fields is none. */
function hdel({ keyspace }: ServerView, [, key, ...fields]: readonly string[]): Reply {
  const hash = keyspace.read(key!);
  if (hash === undefined) return 0;
  if (!(hash instanceof Map)) return WRONG_TYPE;
  const count = fields.filter((field) => hash.delete(field)).length;
  if (hash.size === 0) keyspace.remove(key!);
  return count;
}

function hmget(server: ServerView, args: readonly string[]): Reply {
  return onHash(server, args[1]!, (hash) => {
    const values: Reply[] = [];
    for (let i = 2; i < args.length; i++) values.push(hash?.get(args[i]!) ?? null);
    return values;
  });
}

function pubsub(server: ServerView, [, subcommand, ...channels]: readonly string[]): Reply {
  if (subcommand!.toUpperCase() !== "NUMSUB") throw new Error(`not simulated: PUBSUB ${subcommand}`);
  return channels.flatMap((channel) => [channel, server.subscribers(channel)]);
}

function onHash({ keyspace }: ServerView, key: string, read: (hash: Map<string, string> | undefined) => Reply): Reply {
  const value = keyspace.read(key);
  return value === undefined || value instanceof Map ? read(value) : WRONG_TYPE;
}

/** As Redis reads a 64-bit integer: no space, no plus, no leading zero. */
function parseInteger(text: string): bigint | undefined {
  if (!/^(?:0|-?[1-9]\d{0,18})$/.test(text)) return undefined;
  const value = BigInt(text);
  return value <= INTEGER_MOST && value >= -INTEGER_MOST - 1n ? value : undefined;
}

function isTooLate(ms: bigint, nowMs: number): boolean {
  return ms > INTEGER_MOST - BigInt(nowMs);
}
