// Values on their way between JavaScript and the Lua stack, converted as Redis converts them.

import { lua, pushLuaString, toLuaString, TString, type LuaState, type LuaString } from "./fengari.js";
import { isError, type ErrorReply, type Reply } from "./replies.js";

/** Strings that were pushed lately, with the hash that fengari keeps in them. */
const known = new Map<string, LuaString>();
const knownMost = 4_096;
const knownLength = 64;

const ERR = toLuaString("err");
const OK = toLuaString("ok");

export function encode(bytes: string): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) out[i] = bytes.charCodeAt(i);
  return out;
}

export function decode(bytes: Uint8Array): string {
  if (bytes.length > knownLength) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  let out = "";
  for (let i = 0; i < bytes.length; i++) out += String.fromCharCode(bytes[i]!);
  return out;
}

export function pushBytes(L: LuaState, bytes: string): void {
  let string = known.get(bytes);
  if (string === undefined) {
    string = new TString(L, encode(bytes));
    if (bytes.length <= knownLength) {
      if (known.size >= knownMost) known.clear();
      known.set(bytes, string);
    }
  }
  pushLuaString(L, string);
}

/** KEYS or ARGV. */
export function pushList(L: LuaState, list: readonly string[]): void {
  lua.lua_createtable(L, list.length, 0);
  for (let i = 0; i < list.length; i++) {
    pushBytes(L, list[i]!);
    lua.lua_rawseti(L, -2, i + 1);
  }
}

/** A command's reply, as a script sees it: an absent value is false, a number is a float as all numbers of 5.1. */
export function pushReply(L: LuaState, reply: Reply): void {
  if (typeof reply === "string") return pushBytes(L, reply);
  if (typeof reply === "number") return lua.lua_pushnumber(L, reply);
  if (reply === null) return lua.lua_pushboolean(L, false);
  if ("err" in reply) return pushField(L, ERR, reply.err);
  if ("ok" in reply) return pushField(L, OK, reply.ok);
  lua.lua_createtable(L, reply.length, 0);
  for (let i = 0; i < reply.length; i++) {
    pushReply(L, reply[i]!);
    lua.lua_rawseti(L, -2, i + 1);
  }
}

function pushField(L: LuaState, name: Uint8Array, bytes: string): void {
  lua.lua_createtable(L, 0, 1);
  pushBytes(L, bytes);
  lua.lua_setfield(L, -2, name);
}

/**
 * The value on top as a script's reply, which takes it off: numbers lose their fraction, true is 1, nil and false are
 * null, a list ends at its first nil.
 */
export function popReply(L: LuaState): Reply {
  const reply = readTop(L);
  lua.lua_pop(L, 1);
  return reply;
}

function readTop(L: LuaState): Reply {
  const type = lua.lua_type(L, -1);
  if (type === lua.LUA_TSTRING) return decode(lua.lua_tostring(L, -1));
  if (type === lua.LUA_TNUMBER) return toInteger(lua.lua_tonumber(L, -1));
  if (type === lua.LUA_TBOOLEAN) return lua.lua_toboolean(L, -1) ? 1 : null;
  if (type !== lua.LUA_TTABLE) return null;
  const err = readField(L, ERR);
  if (err !== undefined) return { err };
  const ok = readField(L, OK);
  if (ok !== undefined) return { ok: ok.replace(/[\r\n]/g, " ") };
  const list: Reply[] = [];
  for (let i = 1; ; i++) {
    if (lua.lua_rawgeti(L, -1, i) === lua.LUA_TNIL) break;
    list.push(popReply(L));
  }
  lua.lua_pop(L, 1);
  return list;
}

/** As C casts a double to a 64-bit integer on x86. */
function toInteger(n: number): number {
  return Number.isFinite(n) && Math.abs(n) < 2 ** 63 ? Math.trunc(n) + 0 : -(2 ** 63);
}

/** A text field of the table on top. */
function readField(L: LuaState, name: Uint8Array): string | undefined {
  const isText = lua.lua_getfield(L, -1, name) === lua.LUA_TSTRING;
  const text = isText ? decode(lua.lua_tostring(L, -1)) : undefined;
  lua.lua_pop(L, 1);
  return text;
}

/** The table on top as an error reply: what redis.call raised, or error() was given. */
export function readError(L: LuaState): ErrorReply {
  const reply = readTop(L);
  return isError(reply) ? reply : { err: "ERR unknown error" };
}
