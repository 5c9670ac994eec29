// A real Redis and a simulated one that are told the same things. The real one's clock cannot be set: the scripts' one
// look at it, redis.call("TIME"), is replaced by two more arguments; and what is to expire is moved by hand.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Redis } from "ioredis";
import { scripts as ownScripts } from "../../../src/databases/redis/scripts.generated.js";
import { waitUntil } from "../../support/wait.js";
import { toText } from "./bytes.js";
import { compareEntries, normalised, pairs, simulated, wordsOf, type Entry } from "./outcomes.js";
import { SimRedis, type ScriptArgument } from "./sim-redis.js";

/** Any one command, through a script: what a command does there, also with arguments that no script gives it. */
const raw = "return redis.call(unpack(ARGV))";
const scripts: Readonly<Record<string, string>> = { ...ownScripts, raw };

const DUMP = `
local out = {}
for _, key in ipairs(redis.call("KEYS", "*")) do
  local type = redis.call("TYPE", key).ok
  local value = type == "string" and redis.call("GET", key) or type == "hash" and redis.call("HGETALL", key) or type
  out[#out + 1] = { key, redis.call("PTTL", key), value }
end
out[#out + 1] = redis.call("TIME")
return out`;
/** ARGV: key, ms to live (negative: it has expired), ... */
const ALIGN = `
local time = redis.call("TIME")
for i = 1, #ARGV, 2 do
  if tonumber(ARGV[i + 1]) < 0 then redis.call("DEL", ARGV[i]) else redis.call("PEXPIRE", ARGV[i], ARGV[i + 1]) end
end
return time`;

/** A key must not expire while both sides are compared: nothing is left with less than this, ms. */
const ttlLeast = 5_000;
type Step = { readonly what: string; readonly check: (reply: unknown) => void };

export class Twins {
  readonly sim: SimRedis;
  nowUs = 1_800_000_000_000_000;
  steps = 0;
  /** Told of each word that a reply begins with, so that a test can see what came up. */
  onOutcome: (word: string) => void = () => {};
  readonly #real: Redis;
  #pipeline: ReturnType<Redis["pipeline"]>;
  #queue: Step[] = [];
  #alignedAtUs = 0;
  readonly #ears: Redis;
  /** What subscribers were told, "channel message", by either side. */
  readonly #heard: { sim: string[]; real: string[] } = { sim: [], real: [] };
  readonly #hear = (channel: string, message: string): void => void this.#heard.real.push(`${channel} ${message}`);

  /** Two connections to one server that has nothing in it; `runId` is that server's. */
  constructor(real: Redis, ears: Redis, runId: string) {
    this.#real = real;
    this.#ears = ears.on("message", this.#hear);
    this.#pipeline = real.pipeline();
    const deliver = (_id: string, channel: string, message: string): void =>
      void this.#heard.sim.push(`${channel} ${message}`);
    this.sim = new SimRedis({ nowUs: () => this.nowUs, runId, scripts, deliver });
  }

  /** Waits until both have told subscribers the same, and stops listening. Returns how many messages there were. */
  async compareHeard(): Promise<number> {
    const { sim, real } = this.#heard;
    await waitUntil(() => real.length >= sim.length, true, { deadlineMs: 10_000, what: `${sim.length} messages` });
    assert.deepEqual(sim, real, "messages (actual: simulated)");
    this.#ears.off("message", this.#hear);
    await this.#ears.unsubscribe();
    return real.length;
  }

  async listen(channel: string, listens: boolean): Promise<void> {
    await this.flush();
    if (listens) await this.#ears.subscribe(channel);
    else await this.#ears.unsubscribe(channel);
    if (listens) this.sim.subscribe(channel, channel);
    else this.sim.unsubscribeAll(channel);
  }

  /** Runs a script on both sides and returns the simulated reply; comparing waits for flush(). */
  call(name: string, keys: readonly string[], args: readonly ScriptArgument[]): unknown {
    this.steps += 1;
    this.#entries = undefined;
    const what = `step ${this.steps}: ${name} ${JSON.stringify(keys)} ${JSON.stringify(args)}`;
    const ours = simulated(() => this.sim.eval(name, keys, args));
    for (const word of wordsOf(ours)) this.onOutcome(word);
    const time = [Math.floor(this.nowUs / 1e6), this.nowUs % 1e6];
    const { text, sha, shaOfText } = onFakeTime(scripts[name]!);
    this.#pipeline.eval(text, keys.length, ...keys, ...args, ...time);
    this.#expect(what, (reply) => {
      const theirs = reply instanceof Error ? { error: reply.message.replaceAll(shaOfText, sha) } : { reply };
      assert.deepEqual(normalised(name, args, ours), normalised(name, args, theirs), `${what} (actual: simulated)`);
    });
    this.#compareData(what);
    return "reply" in ours ? ours.reply : undefined;
  }

  /** Moves the store's clock, a little further when a key would else be about to expire. */
  step(ms: number): void {
    let total = ms;
    const at = (entry: Entry): number => entry.ttlMs - total;
    const entries = this.entries().filter(({ ttlMs }) => ttlMs >= 0);
    while (entries.some((entry) => at(entry) >= 0 && at(entry) < ttlLeast)) total += ttlLeast;
    this.nowUs += total * 1000;
    this.#entries = undefined;
    this.#align(entries.map((entry) => [entry.key, at(entry)]));
    this.entries(); // the simulated store forgets when it looks, and the clock may step back before the next look
  }

  /** Executes a command of the real server, and what is the same for the simulated one. */
  both(command: readonly ScriptArgument[], act: (sim: SimRedis) => void): void {
    act(this.sim);
    this.#entries = undefined;
    this.#pipeline.call(...(command.map(String) as [string, ...string[]]));
    this.#expect(command.join(" "), (reply) => assert.ok(!(reply instanceof Error), `${command}: ${String(reply)}`));
  }

  setMemoryFull(full: boolean): void {
    this.both(["CONFIG", "SET", "maxmemory", full ? 1 : 0], (sim) => (sim.memoryFull = full));
  }

  /** Waits for the real server's replies and compares all that was asked since the last time. */
  async flush(): Promise<void> {
    const replies = (await this.#pipeline.exec()) ?? [];
    const queue = this.#queue;
    assert.equal(replies.length, queue.length);
    for (const [i, [error, reply]] of replies.entries()) queue[i]!.check(error ?? reply);
    this.#pipeline = this.#real.pipeline();
    this.#queue = [];
    this.#align(
      this.entries()
        .filter(({ ttlMs }) => ttlMs >= 0)
        .map(({ key, ttlMs }) => [key, ttlMs]),
    );
  }

  /** What the simulated store holds. */
  entries(): readonly Entry[] {
    return (this.#entries ??= this.#readEntries());
  }
  /** Forgotten with every change. */
  #entries: readonly Entry[] | undefined;

  #readEntries(): Entry[] {
    const nowMs = Math.floor(this.nowUs / 1000);
    return this.sim.snapshot().entries.map(({ key, value, expiresAtMs }) => ({
      key: toText(key),
      ttlMs: expiresAtMs === undefined ? -1 : expiresAtMs - nowMs,
      value:
        typeof value === "string"
          ? toText(value)
          : value instanceof Map
            ? pairs([...value].flat().map(toText))
            : value.foreign,
    }));
  }

  #align(ttls: readonly (readonly [key: string, ttlMs: number])[]): void {
    this.#pipeline.eval(ALIGN, 0, ...ttls.flat());
    this.#expect("align", (reply) => {
      assert.ok(Array.isArray(reply), String(reply));
      this.#alignedAtUs = toUs(reply as string[]);
    });
  }

  #compareData(what: string): void {
    const ours = this.entries();
    this.#pipeline.eval(DUMP, 0);
    this.#expect(`dump after ${what}`, (reply) => {
      assert.ok(Array.isArray(reply), String(reply));
      const time = reply.pop() as string[];
      const rest = reply as [string, number, string | string[]][];
      const elapsedMs = (toUs(time) - this.#alignedAtUs) / 1000;
      const theirs = rest.map(([key, ttlMs, value]): Entry => ({
        key,
        ttlMs,
        value: typeof value === "string" ? value : pairs(value),
      }));
      compareEntries(what, ours, theirs, elapsedMs);
    });
  }

  #expect(what: string, check: (reply: unknown) => void): void {
    this.#queue.push({ what, check });
  }
}

function toUs([seconds, us]: readonly string[]): number {
  return Number(seconds) * 1e6 + Number(us);
}

const onFakeTimeOf = new Map<string, { text: string; sha: string; shaOfText: string }>();

/** The script with the time taken off the end of ARGV; on its first line, so that errors name the same lines. */
function onFakeTime(script: string): { text: string; sha: string; shaOfText: string } {
  const known = onFakeTimeOf.get(script);
  if (known) return known;
  const call = 'redis.call("TIME")';
  assert.equal(script.split(call).length, script === raw ? 1 : 2, "a script reads the clock in one place");
  const head = "local FAKE_US = table.remove(ARGV) local FAKE_S = table.remove(ARGV) ";
  const text = head + script.replace(call, "{ FAKE_S, FAKE_US }");
  const made = { text, sha: sha1(script), shaOfText: sha1(text) };
  onFakeTimeOf.set(script, made);
  return made;
}

function sha1(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}
