// The functions that a script finds: those of Lua 5.1 where they differ, and the `redis` table.

import { untilNul } from "./bytes.js";
import { lauxlib, lua, lualib, toLuaString, type LuaFunction, type LuaState } from "./fengari.js";
import { formatArgument, formatWhole, parseNumber } from "./lua-51.js";
import { decode, encode, pushBytes, pushReply } from "./lua-stack.js";
import { isError, type ErrorReply, type Reply } from "./replies.js";

/** Executes one command of a script. */
export type CallCommand = (args: readonly string[]) => Reply;
/** Told of an exception in our own code, which must not pass for an error of the script: pcall would hide it. */
export type OnMishap = (cause: unknown) => void;

export function openLibraries(L: LuaState, call: CallCommand, onMishap: OnMishap): void {
  const { luaopen_base: base, luaopen_string: string, luaopen_table: table, luaopen_math: math } = lualib;
  for (const [name, open] of Object.entries({ _G: base, string, table, math })) {
    lauxlib.luaL_requiref(L, toLuaString(name), open, 1);
    lua.lua_pop(L, 1);
  }
  const guard = (act: LuaFunction) => guarded(act, onMishap);
  lua.lua_createtable(L, 0, 4);
  lua.lua_setglobal(L, toLuaString("redis"));
  setFields(L, "redis", {
    call: guard((L) => callCommand(L, call, true)),
    pcall: guard((L) => callCommand(L, call, false)),
    error_reply: errorReply,
    status_reply: statusReply,
  });
  setFields(L, "string", { format: guard(format) });
  setFields(L, "math", { floor, random: undefined, randomseed: undefined });
  lua.lua_getglobal(L, toLuaString("table"));
  lua.lua_getfield(L, -1, toLuaString("unpack"));
  lua.lua_setglobal(L, toLuaString("unpack"));
  lua.lua_pop(L, 1);
  setFields(L, "_G", { tonumber: guard(toNumber), collectgarbage: undefined, print: undefined, dofile: undefined });
  protectGlobals(L);
}

/** `redis.call` and `redis.pcall`: alike but for what becomes of an error. */
function callCommand(L: LuaState, call: CallCommand, raises: boolean): number {
  const args = readArguments(L);
  const reply = "err" in args ? args : call(args);
  pushReply(L, reply);
  return raises && isError(reply) ? lua.lua_error(L) : 1;
}

function readArguments(L: LuaState): string[] | ErrorReply {
  const count = lua.lua_gettop(L);
  if (count === 0) return { err: "ERR Please specify at least one argument for this redis.call() command" };
  const args: string[] = [];
  for (let i = 1; i <= count; i++) {
    const type = lua.lua_type(L, i);
    if (type === lua.LUA_TSTRING) args.push(decode(lua.lua_tostring(L, i)));
    else if (type === lua.LUA_TNUMBER) args.push(formatArgument(lua.lua_tonumber(L, i)));
    else return { err: "ERR Lua redis lib command arguments must be strings or integers" };
  }
  return args;
}

/** redis.error_reply: the first word is the error's code, also without the dash before it. */
function errorReply(L: LuaState): number {
  const isText = lua.lua_gettop(L) === 1 && lua.lua_type(L, 1) === lua.LUA_TSTRING;
  if (!isText) pushReply(L, { err: "ERR wrong number or type of arguments" });
  else pushReply(L, errorOf(untilNul(decode(lua.lua_tostring(L, 1)))));
  return 1;
}

function errorOf(text: string): ErrorReply {
  const words = text.replace(/^-/, "");
  const space = words.indexOf(" ");
  const [code, message] = space === -1 ? ["ERR", words] : [words.slice(0, space), words.slice(space + 1)];
  return { err: `${code} ${message.replace(/^[\r\n]+|[\r\n]+$/g, "")}` };
}

function statusReply(L: LuaState): number {
  pushReply(L, { ok: decode(lauxlib.luaL_checkstring(L, 1)) });
  return 1;
}

/** All numbers of Lua 5.1 are floats; 5.3's integers have 32 bits in fengari, too few for a time. */
function toNumber(L: LuaState): number {
  lauxlib.luaL_checkany(L, 1);
  if (lua.lua_gettop(L) > 1) throw new Error("not simulated: tonumber with a base");
  const type = lua.lua_type(L, 1);
  let value: number | undefined;
  if (type === lua.LUA_TNUMBER) value = lua.lua_tonumber(L, 1);
  // 5.1 takes a string for a C string.
  if (type === lua.LUA_TSTRING) value = parseNumber(untilNul(decode(lua.lua_tostring(L, 1))));
  if (value === undefined) lua.lua_pushnil(L);
  else lua.lua_pushnumber(L, value);
  return 1;
}

function format(L: LuaState): number {
  const wanted = decode(lauxlib.luaL_checkstring(L, 1));
  if (wanted !== "%.0f") throw new Error(`not simulated: string.format("${wanted}")`);
  pushBytes(L, formatWhole(lauxlib.luaL_checknumber(L, 2)));
  return 1;
}

/** A float, where 5.3 makes an integer. */
function floor(L: LuaState): number {
  lua.lua_pushnumber(L, Math.floor(lauxlib.luaL_checknumber(L, 1)));
  return 1;
}

/** fengari throws objects of its own for errors of Lua; an exception of ours is told and then ends the script. */
function guarded(act: LuaFunction, onMishap: OnMishap): LuaFunction {
  return (L) => {
    try {
      return act(L);
    } catch (cause) {
      if (cause instanceof Error) onMishap(cause);
      throw cause;
    }
  };
}

function setFields(L: LuaState, table: string, fields: Record<string, LuaFunction | undefined>): void {
  lua.lua_getglobal(L, toLuaString(table));
  for (const [name, fn] of Object.entries(fields)) {
    if (fn) lua.lua_pushcfunction(L, fn);
    else lua.lua_pushnil(L);
    lua.lua_setfield(L, -2, toLuaString(name));
  }
  lua.lua_pop(L, 1);
}

/** Redis refuses to read and to write globals that it did not set itself. */
function protectGlobals(L: LuaState): void {
  lua.lua_pushglobaltable(L);
  lua.lua_createtable(L, 0, 2);
  lua.lua_pushcfunction(L, (L) => {
    const name = decode(lua.lua_tostring(L, 2));
    return raise(L, `Script attempted to access nonexistent global variable '${name}'`);
  });
  lua.lua_setfield(L, -2, toLuaString("__index"));
  lua.lua_pushcfunction(L, (L) => raise(L, "Attempt to modify a readonly table"));
  lua.lua_setfield(L, -2, toLuaString("__newindex"));
  lua.lua_setmetatable(L, -2);
  lua.lua_pop(L, 1);
}

function raise(L: LuaState, message: string): number {
  return lauxlib.luaL_error(L, toLuaString("%s"), encode(message));
}
