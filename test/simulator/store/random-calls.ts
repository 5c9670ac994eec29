// Calls of all scripts with arguments that a locker would give, that a broken one might, and that nobody would.

import { randomInteger, randomText } from "../../support/random-text.js";
import {
  channelOf,
  grantsOf,
  namespace,
  prefix,
  queueOf,
  RandomArguments,
  sessionOf,
  sessions,
} from "./random-arguments.js";
import { commandsOn, weird } from "./random-commands.js";
import type { ScriptArgument } from "./sim-redis.js";

export class RandomCalls extends RandomArguments {
  /** A session's worker begins or ends to listen. Not part of next(): it waits for the real server. */
  listen(): Promise<void> {
    const id = this.pick(sessions);
    return this.twins.listen(this.random() < 0.5 ? channelOf(id) : grantsOf(id), this.random() < 0.6);
  }

  /** One thing that happens to both stores. */
  next(): void {
    const [twins, chance] = [this.twins, this.random()];
    if (chance < 0.02) this.#settle();
    else if (chance < 0.1) twins.step(this.pick([1, 300, 500, 1_000, 3_000, 11_000, 70_000, 400_000, -5_000, -90_000]));
    else if (chance < 0.13) this.#plant();
    else if (chance < 0.15) this.#withMemory(() => this.#raw("DEL", this.anyKey()));
    else if (chance < 0.17) twins.setMemoryFull(!twins.sim.memoryFull && this.random() < 0.7);
    else if (chance < 0.22) this.#anyCommand();
    else this.#script();
  }

  /**
   * A session enters, the recovery window closes, and it takes and gives: random calls alone hardly ever come to that.
   */
  #settle(): void {
    const id = this.pick(sessions);
    const keys = [namespace, sessionOf(id)];
    this.careful = true;
    this.#withMemory(() => {
      this.#raw("DEL", ...keys.slice(this.random() < 0.5 ? 0 : 1));
      this.twins.call("begin", keys, this.beginArgs("new"));
      for (let i = 0; i < 8; i++) {
        this.twins.step(500);
        this.twins.call("ping", keys, [this.era(), 2_500, this.currentEra(), this.monoMs(), 0, 3_600_000]);
      }
    });
    for (let i = 0; i < 25; i++) {
      this.#script(id);
      this.careful = this.random() < 0.8;
    }
    this.careful = false;
  }
  /** What another version, another program or a restarted server would have left. */
  #plant(): void {
    const key = this.pick(this.leases);
    const session = sessionOf(this.pick(sessions));
    const kind = randomInteger(this.random, 6);
    this.#withMemory(() => {
      if (kind === 0) this.#raw("SET", key, `2 x ${sessions[0]} 1 1 1 ${this.currentEra()} t`);
      else if (kind === 1) this.#raw("SET", this.pick([key, queueOf(key)]), randomText(this.random, 20), "PX", 60_000);
      else if (kind === 2) this.#raw("HSET", this.pick([key, session]), "last", this.pick(weird));
      else if (kind === 3) this.#raw("HSET", namespace, "run", "f".repeat(40));
      else if (kind === 4) this.#raw("HSET", namespace, "v", this.pick(["1", "2", "x\ny"]));
      else if (kind === 5) this.#raw("SET", this.pick([session, ...this.namespaces]), "text");
      else this.#list(this.pick([key, session]));
    });
    if (kind >= 4 && this.random() < 0.8) this.#forget.push(namespace, session);
  }
  /** What makes every later call fail is taken away again soon. */
  readonly #forget: string[] = [];

  #list(key: string): void {
    this.#raw("DEL", key);
    this.twins.both(["RPUSH", key, "element"], (sim) => sim.plant(key, { foreign: "list" }));
  }

  #anyCommand(): void {
    const keys = [this.anyKey(), this.anyKey()] as const;
    this.#raw(...this.pick(commandsOn(keys, channelOf(this.pick(sessions)), this.random)));
  }

  #script(id = this.pick(sessions)): void {
    for (const key of this.#forget.splice(0, this.random() < 0.2 ? 2 : 0)) this.#raw("DEL", key);
    const keys = [this.careful ? namespace : this.pick(this.namespaces), sessionOf(id)];
    const { head, leases } = { head: this.head(id), leases: this.someLeases() };
    const each = (element: (key: string) => ScriptArgument[]): ScriptArgument[] => leases.flatMap(element);
    const number = (): number => 1 + randomInteger(this.random, 3);
    const batch = [...keys, ...leases];
    const run = (name: string, names: readonly string[], args: ScriptArgument[]): unknown =>
      this.twins.call(name, names, this.spoil(args));
    const other = this.pick(sessions);
    const common = [this.era(), this.recoveryMs()];
    const replaced = (key: string): string =>
      this.random() < 0.5 ? "" : `${this.holder(key)[0]} ${this.holder(key)[1]} 0`;
    const queued = leases.flatMap((key) => [key, queueOf(key)]);
    const wanted = (key: string): ScriptArgument[] => {
      const [first, tokens, [fitForMs, dead]] = [replaced(key), this.pick([1, 1, 50, 1e7]), this.waits()];
      return [`${number()} ${this.ttl()} ${this.mode(key)};${tokens};${fitForMs};${first};${dead};${this.trace()}`];
    };
    const acts = [
      () => run("begin", keys, this.beginArgs(this.pick(["new", "new", "trusted", "provisional"]))),
      () => run("ping", keys, [...common, this.currentEra(), this.monoMs(), this.rarely(1, 0), 3_600_000]),
      () =>
        run("acquire", [...keys, ...queued], [...head, this.grants(id), this.monoMs(), ...each((key) => wanted(key))]),
      () => run("renew", batch, [...head, ...each((key) => [...this.held(key), this.rarely(this.ttl(), 0)])]),
      () => run("reown", batch, [...head, ...each((key) => [...this.held(key), this.ttl()])]),
      () =>
        run("reassert", batch, [
          ...head,
          ...each((key) => [...this.held(key), this.ttl(), 5, this.mode(key), ...this.end(key), this.trace()]),
        ]),
      () =>
        run(
          "release",
          [...keys, ...queued],
          [...head.slice(0, 3), head[5]!, ...each((key) => [`${this.given(key)} ${this.pick([0, 0, 1e9])}`])],
        ),
      () => run("read-holders", queued.slice(0, 2), [`${head[5]}#${number()}`, this.random() < 0.5 ? "" : 7]),
      () => run("revoke", [...keys, batch[2]!, sessionOf(other)], [...head, ...this.revokeArgs(batch[2]!, other)]),
      () => run("blocked", [`${prefix}b:x#1`, `${prefix}b:y#1`], [this.pick(["", "5 x#2 key"]), 60_000]),
      () => run("tell", [], [grantsOf(other), "deadlock 1"]),
      () => run("read-session", [sessionOf(other), keys[1]!], [channelOf(other), this.monoMs()]),
      () => run("condemn", [keys[0]!, sessionOf(other), keys[1]!], [...common, ...this.condemnArgs(other)]),
      () => run("tombstone", [...keys, sessionOf(other)], [...common, this.currentEra(), 600_000]),
      () => run("goodbye", [keys[1]!], []),
    ];
    // Tombstones and goodbyes, the last two, as often as the others would leave hardly a session.
    const last = acts.length - (this.random() < 0.2 && !this.careful ? 1 : 3);
    acts[randomInteger(this.random, last)]!();
  }

  #raw(...command: ScriptArgument[]): void {
    this.twins.call("raw", [], command);
  }

  #withMemory(act: () => void): void {
    const wasFull = this.twins.sim.memoryFull;
    if (wasFull) this.twins.setMemoryFull(false);
    act();
    if (wasFull) this.twins.setMemoryFull(true);
  }
}
