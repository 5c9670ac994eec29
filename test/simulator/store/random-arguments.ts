// What a call of a script is given: arguments that a locker would give, that a broken one might, and that nobody would.

import { randomInteger, randomKey, randomText } from "../../support/random-text.js";
import { weird } from "./random-commands.js";
import type { ScriptArgument } from "./sim-redis.js";
import type { Twins } from "./twins.js";

const lockers = ["lockerA", "lockerB", "odd.locker"];
export const sessions = lockers.flatMap((id) => [`${id}.1`, `${id}.2`]);
export const prefix = "p:";
export const namespace = `${prefix}n`;
export const channelOf = (id: string): string => `${prefix}c:${id}`;
export const sessionOf = (id: string): string => `${prefix}s:${id}`;
export const grantsOf = (id: string): string => `${prefix}g:${id.slice(0, id.lastIndexOf("."))}`;
export const queueOf = (lease: string): string => lease.replace("l:", "q:");

export class RandomArguments {
  protected readonly twins: Twins;
  protected readonly random: () => number;
  protected readonly leases: readonly string[];
  protected readonly namespaces: readonly string[];
  protected fresh = 0;

  constructor(twins: Twins, random: () => number) {
    this.twins = twins;
    this.random = random;
    const odd = Array.from({ length: 3 }, () => randomKey(random, 30));
    this.leases = ["a", "b", "c", ...odd].map((key) => `${prefix}l:${key}`);
    this.namespaces = [namespace, namespace, namespace, `${prefix}${randomKey(random, 12)}`];
  }

  /** While true, nothing is wrong with a call on purpose. */
  protected careful = false;

  /** For how long it is fit, and whom it found dead. */
  protected waits(): ScriptArgument[] {
    const [locker, of] = [this.pick(lockers), this.pick(sessions)];
    const dead = this.random() < 0.2 ? `${locker}#${1 + randomInteger(this.random, 3)} ${of}` : "";
    return [this.pick([0, 0, 2_500, 60_000, 400_000]), dead];
  }

  /** Its lease, or its place in the queue. */
  protected given(key: string): ScriptArgument {
    return this.random() < 0.5 ? this.held(key)[0]! : 1 + randomInteger(this.random, 3);
  }

  protected grants(id: string): string {
    return this.rarely("", grantsOf(id));
  }

  protected head(id: string): ScriptArgument[] {
    const lockerId = id.slice(0, id.lastIndexOf("."));
    const generation = this.careful ? 3 : randomInteger(this.random, 3);
    return [this.era(), this.recoveryMs(), generation, this.currentEra(), id, lockerId];
  }

  protected beginArgs(mode: string): ScriptArgument[] {
    const fields = { ttl: 10_000, grace: 1_500, interval: 500, drift: 94, channel: this.rarely(0, 1), host: "h" };
    const labels = JSON.stringify({ text: randomText(this.random, 20) });
    const rest = Object.entries({ ...fields, labels }).flat();
    return [this.era(), 2_500, mode, this.currentEra(), this.monoMs(), 3_600_000, 0, ...rest];
  }

  protected condemnArgs(id: string): ScriptArgument[] {
    const brokenAgoMs = this.pick([0, 20_000]);
    return [this.currentEra(), channelOf(id), this.rarely(1, 0), this.monoMs(), brokenAgoMs, 10_000, 600_000];
  }

  protected revokeArgs(key: string, other: string): ScriptArgument[] {
    const [sessionId, token, number] = this.holder(key);
    const id = this.rarely(other, sessionId || other);
    const lockerId = id.slice(0, id.lastIndexOf("."));
    return [this.monoMs(), id, lockerId, number, token, grantsOf(id), channelOf(id), this.pick([0, 1])];
  }

  protected spoil(args: ScriptArgument[]): ScriptArgument[] {
    if (this.careful) return args;
    const spoiled = args.map((arg) => (this.random() < 0.006 ? this.pick(weird) : arg));
    return this.random() < 0.01 ? spoiled.slice(0, -1) : spoiled;
  }

  /** Who has the key, as its record says. */
  protected holder(key: string): [sessionId: string, token: string, number: string] {
    const raw = this.twins.entries().find((entry) => entry.key === key)?.value;
    if (typeof raw === "object") return this.#oneOf(raw);
    const words = typeof raw === "string" ? raw.split(" ") : [];
    return [words[2] ?? "", words[4] ?? "7", words[3] ?? "1"];
  }

  /** One of those who hold it together. */
  #oneOf(record: readonly (readonly string[])[]): [sessionId: string, token: string, number: string] {
    const field = (name: string): string | undefined => record.find(([known]) => known === name)?.[1];
    const leases = record.filter(([name]) => name?.includes("#"));
    const [id = "a#1", value = ""] = leases.length > 0 ? this.pick(leases) : [];
    return [value.split(" ")[1] ?? "", field("token") ?? "7", id.slice(id.lastIndexOf("#") + 1)];
  }

  /** Mostly one that goes with how the key is held. */
  protected mode(key: string): string {
    const raw = this.twins.entries().find((entry) => entry.key === key)?.value;
    const usual = typeof raw === "object" ? ["s", "s", "p 1 3", "p 2 3"] : ["x", "x", "x", "s", "p 1 3"];
    return this.random() < 0.8 ? this.pick(usual) : this.pick(["x", "s", "p 2 3", "p 1 4", "p 4 3"]);
  }

  protected held(key: string): ScriptArgument[] {
    const [, token, number] = this.holder(key);
    return [this.rarely("2", number), this.rarely(this.pick(["5", "1900000000000000"]), token)];
  }

  /** Of its block of tokens. */
  protected end(key: string): ScriptArgument[] {
    return [(Number(this.holder(key)[1]) || 7) + this.pick([0, 0, 50])];
  }

  protected era(): string {
    this.fresh += 1;
    return `era${this.fresh}`;
  }

  protected currentEra(): string {
    const record = this.twins.entries().find(({ key }) => key === namespace)?.value;
    const era = typeof record === "object" ? record.find(([field]) => field === "era")?.[1] : undefined;
    return this.rarely("era1", era ?? "");
  }

  protected monoMs(): number {
    return Math.floor(this.twins.nowUs / 1000) - 1_799_999_000_000 + this.rarely(5_000, 0);
  }

  protected recoveryMs(): number {
    return this.rarely(0, 2_500);
  }

  protected ttl(): number {
    return this.pick([60_000, 120_000, 300_000]);
  }

  protected trace(): string {
    return randomText(this.random, 10);
  }

  protected someLeases(): string[] {
    return Array.from({ length: 1 + randomInteger(this.random, 3) }, () => this.pick(this.leases));
  }

  protected anyKey(): string {
    const queues = this.leases.map(queueOf);
    return this.pick([...this.leases, ...queues, ...this.namespaces, ...sessions.map(sessionOf)]);
  }

  protected rarely<T>(odd: T, usual: T): T {
    return !this.careful && this.random() < 0.08 ? odd : usual;
  }

  protected pick<T>(from: readonly T[]): T {
    return from[randomInteger(this.random, from.length - 1)]!;
  }
}
