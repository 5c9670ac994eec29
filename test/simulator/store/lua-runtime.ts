// One Lua state for all simulated stores of a process, made to look like the one that Redis 7.0 gives to its scripts.

import { createHash } from "node:crypto";
import { toText, untilNul } from "./bytes.js";
import { lauxlib, lua, toLuaString, type LuaState } from "./fengari.js";
import { messageOf51 } from "./lua-51.js";
import { openLibraries, type CallCommand } from "./lua-library.js";
import { decode, popReply, pushList, pushReply, readError } from "./lua-stack.js";
import { isError, ReplyError, type Reply } from "./replies.js";

interface Script {
  readonly reference: number;
  readonly sha: string;
}

/** What is known of the run under way; a script runs in one breath, so there is never a second one. */
interface Run {
  readonly call: CallCommand;
  /** Where the error that ended the script was raised. */
  failedAt?: string;
  /** An exception of ours, which no script may swallow. */
  mishap?: { readonly cause: unknown };
}

const L: LuaState = lauxlib.luaL_newstate();
const scripts = new Map<string, Script>();
let current: Run | undefined;

openLibraries(
  L,
  (args) => current!.call(args),
  (cause) => (current!.mishap ??= { cause }),
);

const chunkName = toLuaString("@user_script");
const [KEYS, ARGV, SOURCE_AND_LINE] = [toLuaString("KEYS"), toLuaString("ARGV"), toLuaString("Sl")];

/** Runs a script on keys and arguments given as bytes, and throws what a client of Redis would be told. */
export function runScript(text: string, keys: readonly string[], args: readonly string[], call: CallCommand): Reply {
  const script = scripts.get(text) ?? compile(text);
  if (current) throw new Error("a script runs already: deliver() must not call the store at once");
  const run: Run = (current = { call });
  try {
    lua.lua_pushcfunction(L, onError);
    setGlobal(KEYS, keys);
    setGlobal(ARGV, args);
    lua.lua_rawgeti(L, lua.LUA_REGISTRYINDEX, script.reference);
    const status = lua.lua_pcall(L, 0, 1, 1);
    if (run.mishap) throw run.mishap.cause;
    if (status !== lua.LUA_OK) throw replyError(readError(L).err + placeOf(run, script));
    const reply = popReply(L);
    if (isError(reply)) throw replyError(reply.err);
    return reply;
  } finally {
    current = undefined;
    lua.lua_settop(L, 0);
  }
}

/** Once for each text; a mutant of a script is another text. */
function compile(text: string): Script {
  const code = new Uint8Array(Buffer.from(text, "utf8"));
  if (lauxlib.luaL_loadbuffer(L, code, code.length, chunkName) !== lua.LUA_OK) {
    throw new Error(`not Lua: ${decode(lua.lua_tostring(L, -1))}`);
  }
  const sha = createHash("sha1").update(code).digest("hex");
  const script = { reference: lauxlib.luaL_ref(L, lua.LUA_REGISTRYINDEX), sha };
  scripts.set(text, script);
  return script;
}

function setGlobal(name: Uint8Array, list: readonly string[]): void {
  lua.lua_pushglobaltable(L);
  lua.lua_pushstring(L, name);
  pushList(L, list);
  lua.lua_rawset(L, -3);
  lua.lua_pop(L, 1);
}

/** A line end in an error would break the protocol; Redis makes it a space. */
function replyError(bytes: string): ReplyError {
  return new ReplyError(toText(untilNul(bytes).replace(/[\r\n]/g, " ")));
}

function placeOf(run: Run, script: Script): string {
  return run.failedAt === undefined ? "" : ` script: ${script.sha}, on ${run.failedAt}.`;
}

/** As Redis's own handler: a text becomes an error table, and the place is that of the Lua code that failed. */
function onError(L: LuaState): number {
  const info = new lua.lua_Debug();
  for (const level of [1, 2]) {
    if (!lua.lua_getstack(L, level, info)) break;
    lua.lua_getinfo(L, SOURCE_AND_LINE, info);
    current!.failedAt = `${untilNul(decode(info.source))}:${info.currentline}`;
    if (/^(?:Lua|main)$/.test(decode(info.what))) break; // not redis.call itself
  }
  if (lua.lua_type(L, -1) === lua.LUA_TSTRING) {
    pushReply(L, { err: `ERR ${messageOf51(decode(lua.lua_tostring(L, -1)))}` });
  }
  return 1;
}
