// The part of fengari that the simulated store uses, with types: the package has none.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { compileFunction } from "node:vm";

/** Nothing in them is for us to read: one cannot be taken for the other. */
export interface LuaState {
  readonly l_G: object;
}
export interface LuaString {
  readonly realstring: Uint8Array;
}
export type LuaFunction = (L: LuaState) => number;
export interface DebugInfo {
  what: Uint8Array;
  source: Uint8Array;
  currentline: number;
}

export interface Lua {
  readonly LUA_OK: number;
  readonly LUA_REGISTRYINDEX: number;
  readonly LUA_TNIL: number;
  readonly LUA_TBOOLEAN: number;
  readonly LUA_TNUMBER: number;
  readonly LUA_TSTRING: number;
  readonly LUA_TTABLE: number;
  readonly lua_Debug: new () => DebugInfo;
  lua_createtable(L: LuaState, elements: number, fields: number): void;
  lua_error(L: LuaState): number;
  lua_getfield(L: LuaState, index: number, name: Uint8Array): number;
  lua_getglobal(L: LuaState, name: Uint8Array): number;
  lua_getinfo(L: LuaState, what: Uint8Array, info: DebugInfo): number;
  lua_getstack(L: LuaState, level: number, info: DebugInfo): number;
  lua_gettop(L: LuaState): number;
  lua_pcall(L: LuaState, args: number, results: number, handler: number): number;
  lua_pop(L: LuaState, count: number): void;
  lua_pushboolean(L: LuaState, value: boolean): void;
  lua_pushcfunction(L: LuaState, fn: LuaFunction): void;
  lua_pushglobaltable(L: LuaState): void;
  lua_pushnil(L: LuaState): void;
  lua_pushnumber(L: LuaState, value: number): void;
  lua_pushstring(L: LuaState, bytes: Uint8Array): void;
  lua_rawgeti(L: LuaState, index: number, n: number): number;
  lua_rawset(L: LuaState, index: number): void;
  lua_rawseti(L: LuaState, index: number, n: number): void;
  lua_setglobal(L: LuaState, name: Uint8Array): void;
  lua_setfield(L: LuaState, index: number, name: Uint8Array): void;
  lua_setmetatable(L: LuaState, index: number): number;
  lua_settop(L: LuaState, index: number): void;
  lua_toboolean(L: LuaState, index: number): boolean;
  lua_tonumber(L: LuaState, index: number): number;
  lua_tostring(L: LuaState, index: number): Uint8Array;
  lua_type(L: LuaState, index: number): number;
}

export interface LuaAuxiliary {
  luaL_checkany(L: LuaState, argument: number): void;
  luaL_checknumber(L: LuaState, argument: number): number;
  luaL_checkstring(L: LuaState, argument: number): Uint8Array;
  luaL_error(L: LuaState, format: Uint8Array, ...words: Uint8Array[]): number;
  luaL_loadbuffer(L: LuaState, text: Uint8Array, length: number, name: Uint8Array): number;
  luaL_newstate(): LuaState;
  luaL_ref(L: LuaState, table: number): number;
  luaL_requiref(L: LuaState, name: Uint8Array, open: LuaFunction, asGlobal: number): void;
}

interface Fengari {
  lua: Lua;
  lauxlib: LuaAuxiliary;
  lualib: Record<"luaopen_base" | "luaopen_string" | "luaopen_table" | "luaopen_math", LuaFunction>;
  to_luastring(text: string): Uint8Array;
}

const require = createRequire(import.meta.url);
const main = require.resolve("fengari");
const loaded = new Map<string, { exports: unknown }>();

export const { lua, lauxlib, lualib, to_luastring: toLuaString } = load(main) as Fengari;
/** Inner parts: the C API copies a string twice on its way in, and forgets its hash. */
export const { TString } = load(join(dirname(main), "lstring.js")) as {
  TString: new (L: LuaState, bytes: Uint8Array) => LuaString;
};
export const { pushsvalue2s: pushLuaString } = load(join(dirname(main), "lobject.js")) as {
  pushsvalue2s(L: LuaState, string: LuaString): void;
};

/**
 * fengari with two changes, which no other user of it sees. A number becomes text as in Lua 5.1 ("1", not "1.0"). And a
 * slot of the stack is emptied without `delete`, a call into V8's runtime that took half of the time.
 */
function changed(path: string, text: string): string {
  if (path.endsWith("luaconf.js")) return replace(text, /conf\.LUA_COMPAT_FLOATSTRING \|\| false/, "true");
  if (!/\b(?:ldo|lapi|lvm)\.js$/.test(path)) return text;
  return replace(text, /\bdelete (\w+\.stack\[[^\]]*\]);/g, "$1 = undefined;");
}

function replace(text: string, pattern: RegExp, by: string): string {
  const replaced = text.replace(pattern, by);
  if (replaced === text) throw new Error(`this fengari has no ${pattern}`);
  return replaced;
}

/** Node's own way with a CommonJS module, but for the change. */
function load(path: string): unknown {
  const known = loaded.get(path);
  if (known) return known.exports;
  const module = { exports: {} as unknown };
  loaded.set(path, module);
  const requireThere = createRequire(path);
  const requireChanged = (id: string): unknown =>
    id.startsWith(".") ? load(requireThere.resolve(id)) : requireThere(id);
  const text = changed(path, readFileSync(path, "utf8"));
  compileFunction(text, ["module", "exports", "require"], { filename: path })(module, module.exports, requireChanged);
  return module.exports;
}
