// The resource that the lock protects: a set of integers that is read as a whole and written back as a whole, once
// unfenced and once fenced, in a Redis that nothing disturbs.

import { Redis } from "ioredis";

/**
 * Reads a fenced set. A read raises the fence, too: else an older holder could still write between a newer one's read
 * and its write, and the newer one would write that away.
 * KEYS[1] hash of token and set   ARGV[1] token
 * Returns the set as JSON, or nil when a larger token has been here.
 */
const read = `
if tonumber(ARGV[1]) < tonumber(redis.call("HGET", KEYS[1], "token") or "0") then return false end
redis.call("HSET", KEYS[1], "token", ARGV[1])
return redis.call("HGET", KEYS[1], "set") or "[]"`;

/**
 * Writes a fenced set.
 * KEYS[1] hash of token and set   ARGV[1] token   ARGV[2] the set as JSON
 * Returns 1, or 0 when a larger token has been here.
 */
const write = `
if tonumber(ARGV[1]) < tonumber(redis.call("HGET", KEYS[1], "token") or "0") then return 0 end
redis.call("HSET", KEYS[1], "token", ARGV[1], "set", ARGV[2])
return 1`;

type Fencing = {
  fencedRead(key: string, token: number): Promise<string | null>;
  fencedWrite(key: string, token: number, set: string): Promise<number>;
};

export class Register implements AsyncDisposable {
  readonly #client: Redis & Fencing;
  readonly #plain: string;
  readonly #fenced: string;

  constructor(url: string, name: string) {
    const scripts = { fencedRead: { lua: read, numberOfKeys: 1 }, fencedWrite: { lua: write, numberOfKeys: 1 } };
    this.#client = new Redis(url, { scripts }) as Redis & Fencing;
    this.#plain = `plain:${name}`;
    this.#fenced = `fenced:${name}`;
  }

  async read(): Promise<number[]> {
    return parse(await this.#client.get(this.#plain));
  }

  /** Resolved: acknowledged. */
  async write(set: readonly number[]): Promise<void> {
    await this.#client.set(this.#plain, JSON.stringify(set));
  }

  /** Undefined: refused. */
  async readFenced(token: number): Promise<number[] | undefined> {
    const raw = await this.#client.fencedRead(this.#fenced, token);
    return raw === null ? undefined : parse(raw);
  }

  /** Whether it was taken, and so acknowledged. */
  async writeFenced(token: number, set: readonly number[]): Promise<boolean> {
    return (await this.#client.fencedWrite(this.#fenced, token, JSON.stringify(set))) === 1;
  }

  async final(): Promise<{ plain: number[]; fenced: number[] }> {
    return { plain: await this.read(), fenced: parse(await this.#client.hget(this.#fenced, "set")) };
  }

  /** Who has read last, and so holds the lock, or held it last. For a nemesis that looks for the holder. */
  async noteReader(process: number): Promise<void> {
    await this.#client.set(`${this.#plain}:reader`, process);
  }

  async lastReader(): Promise<number | undefined> {
    const raw = await this.#client.get(`${this.#plain}:reader`);
    return raw === null ? undefined : Number(raw);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.quit();
  }
}

function parse(raw: string | null): number[] {
  return JSON.parse(raw ?? "[]") as number[];
}
