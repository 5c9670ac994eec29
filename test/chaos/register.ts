// The guarded resource: a counter for each key in a Redis that no schedule breaks, once with and once without a fence.

import { Redis } from "ioredis";

/**
 * Raises the fence to the token and reads the counter. Both reading and writing raise it: else an older holder's write
 * could slip in between a newer one's read and write.
 * KEYS[1] register, a hash   ARGV[1] token   ARGV[2] "1" when it is fenced
 * Returns the counter, or -1 when a larger token was there before.
 */
const read = `
local token, fence = tonumber(ARGV[1]), tonumber(redis.call("HGET", KEYS[1], "fence") or "0")
if ARGV[2] == "1" and token < fence then
  return -1
end
redis.call("HSET", KEYS[1], "fence", ARGV[1])
return tonumber(redis.call("HGET", KEYS[1], "value") or "0")`;

/**
 * Writes the counter, whatever it is by now: a write on top of one that its writer has not seen is counted as lost.
 * KEYS[1] register, a hash   ARGV[1] token   ARGV[2] "1" when it is fenced   ARGV[3] value
 * Returns 1, or -1 when a larger token was there before.
 */
const write = `
local token, fence = tonumber(ARGV[1]), tonumber(redis.call("HGET", KEYS[1], "fence") or "0")
if ARGV[2] == "1" and token < fence then
  return -1
end
if tonumber(ARGV[3]) ~= tonumber(redis.call("HGET", KEYS[1], "value") or "0") + 1 then
  redis.call("HINCRBY", KEYS[1], "lost", 1)
end
redis.call("HINCRBY", KEYS[1], "writes", 1)
redis.call("HSET", KEYS[1], "fence", ARGV[1], "value", ARGV[3])
return 1`;

type RegisterClient = Redis &
  Record<"registerRead" | "registerWrite", (key: string, ...args: (string | number)[]) => Promise<number>>;

export type RegisterTotals = { value: number; writes: number; lost: number };

export class Register implements AsyncDisposable {
  readonly #client: RegisterClient;
  readonly #prefix: string;

  constructor(url: string, prefix: string) {
    const scripts = {
      registerRead: { lua: read, numberOfKeys: 1 },
      registerWrite: { lua: write, numberOfKeys: 1 },
    };
    this.#client = new Redis(url, { scripts }) as RegisterClient;
    this.#prefix = prefix;
  }

  /** The counter; undefined when the register refuses the token. */
  async read(key: string, token: number, fenced: boolean): Promise<number | undefined> {
    const value = await this.#client.registerRead(this.#name(key, fenced), token, fenced ? 1 : 0);
    return value < 0 ? undefined : value;
  }

  async write(key: string, token: number, fenced: boolean, value: number): Promise<boolean> {
    return (await this.#client.registerWrite(this.#name(key, fenced), token, fenced ? 1 : 0, value)) === 1;
  }

  async totals(key: string, fenced: boolean): Promise<RegisterTotals> {
    const numbers = await this.#client.hmget(this.#name(key, fenced), "value", "writes", "lost");
    const [value = 0, writes = 0, lost = 0] = numbers.map(Number);
    return { value, writes, lost };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.quit();
  }

  #name(key: string, fenced: boolean): string {
    return `${this.#prefix}${fenced ? "fenced" : "plain"}:${key}`;
  }
}
