// What is guarded: it knows who is inside each key, and refuses whoever may not be. It believes no locker.

import { Redis } from "ioredis";

/**
 * Somebody enters. Those of members that are being killed count for nothing: they no longer say that they leave.
 * KEYS[1] who is inside   KEYS[2] what came before   KEYS[3] members being killed
 * ARGV[1] member/job   ARGV[2] mode   ARGV[3] units   ARGV[4] limit   ARGV[5] token   ARGV[6] version
 * Returns "" or what is wrong
 */
const enter = `
local mode, units = ARGV[2], tonumber(ARGV[3])
local wrong, used = "", 0
local inside = redis.call("HGETALL", KEYS[1])
for i = 1, #inside, 2 do
  local member = string.match(inside[i], "^[^/]+")
  if redis.call("SISMEMBER", KEYS[3], member) == 1 then
    redis.call("HDEL", KEYS[1], inside[i])
  else
    local other, taken = string.match(inside[i + 1], "^(%a+) (%d+)$")
    used = used + tonumber(taken)
    if mode == "exclusive" or other ~= mode then
      wrong = "double hold: " .. ARGV[1] .. " " .. mode .. " beside " .. inside[i] .. " " .. other
    end
  end
end
if mode == "permits" and used + units > tonumber(ARGV[4]) then
  wrong = "too many permits: " .. (used + units) .. " of " .. ARGV[4]
end
local token, last = tonumber(ARGV[5]), tonumber(redis.call("HGET", KEYS[2], "token") or "0")
if mode == "exclusive" and token <= last or mode == "shared" and token < last then
  wrong = "token " .. ARGV[5] .. " after " .. string.format("%.0f", last)
end
if mode ~= "permits" then redis.call("HSET", KEYS[2], "token", ARGV[5]) end
local before = redis.call("HGET", KEYS[2], "version")
if before and before ~= ARGV[6] then redis.call("HINCRBY", KEYS[2], "crossings", 1) end
redis.call("HSET", KEYS[2], "version", ARGV[6])
redis.call("HSET", KEYS[1], ARGV[1], mode .. " " .. ARGV[3])
return wrong`;

export type Visit = {
  key: string;
  /** Which job of which member: "member/number". */
  id: string;
  mode: "exclusive" | "shared" | "permits";
  units: number;
  limit: number;
  token: number;
  version: string;
};

type JudgeClient = Redis & { deployEnter: (...args: (string | number)[]) => Promise<string> };

export class Judge implements AsyncDisposable {
  readonly #client: JudgeClient;

  constructor(url: string) {
    this.#client = new Redis(url, { scripts: { deployEnter: { lua: enter, numberOfKeys: 3 } } }) as JudgeClient;
  }

  /** What is wrong with that somebody enters; "" when nothing is. */
  enter({ key, id, mode, units, limit, token, version }: Visit): Promise<string> {
    const keys = [`judge:inside:${key}`, `judge:before:${key}`, "judge:killed"];
    return this.#client.deployEnter(...keys, id, mode, units, limit, token, version);
  }

  async leave({ key, id }: Visit): Promise<void> {
    await this.#client.hdel(`judge:inside:${key}`, id);
  }

  /** To be called before the kill. */
  async forget(member: string): Promise<void> {
    await this.#client.sadd("judge:killed", member);
  }

  /** How often a key went from one version to the other. */
  async crossings(keys: readonly string[]): Promise<number> {
    const counts = await Promise.all(keys.map((key) => this.#client.hget(`judge:before:${key}`, "crossings")));
    return counts.reduce((sum, count) => sum + Number(count ?? 0), 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.quit();
  }
}
