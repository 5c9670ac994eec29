// Philosophers at a round table, each a process, with a fork between any two. Each takes the left fork first.

import { spawnChild, type Child } from "./child.js";
import type { Reach } from "./fixtures/philosopher-process.js";
import { fastLimits, fastSettings, newKey } from "./lockers.js";

export type Round = {
  reaches: readonly Reach[];
  /** How long after the last one had asked for its second fork a victim was told, ms. */
  toldAfterMs: readonly number[];
};

export class Table implements AsyncDisposable {
  readonly forks: readonly string[];
  readonly #philosophers: readonly Child[];

  constructor(philosophers: readonly Child[]) {
    this.#philosophers = philosophers;
    this.forks = philosophers.map((_child, i) => newKey(`fork${i}`));
  }

  /** All take their left fork; once all have it, all reach for the right one: a circle, each time. */
  async round(): Promise<Round> {
    await this.#all((child, left) => child.request("takeLeft", left));
    const reaches = await this.#all((child, _left, right) => child.request<Reach>("reachRight", right));
    const closedMs = Math.max(...reaches.map(({ askedMs }) => askedMs));
    const victims = reaches.filter(({ cycle }) => cycle);
    return { reaches, toldAfterMs: victims.map(({ endedMs }) => endedMs - closedMs) };
  }

  /** All eat so often, at their own pace. Returns how many circles were broken. */
  async dine(meals: number, seed: number): Promise<number> {
    const broken = await this.#all((child, left, right, i) =>
      child.request<number>("dine", left, right, meals, seed + i),
    );
    return broken.reduce((a, b) => a + b);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#philosophers.map((child) => child[Symbol.asyncDispose]()));
  }

  #all<T>(ask: (child: Child, left: string, right: string, i: number) => Promise<T>): Promise<T[]> {
    const { forks } = this;
    return Promise.all(this.#philosophers.map((child, i) => ask(child, forks[i]!, forks[(i + 1) % forks.length]!, i)));
  }
}

export async function openTable(url: string, prefix: string, seats: number): Promise<Table> {
  const modulePath = new URL("./fixtures/philosopher-process.js", import.meta.url);
  const philosophers = await Promise.all(Array.from({ length: seats }, () => spawnChild(modulePath)));
  const spec = { source: url, settings: { ...fastSettings, prefix }, locker: fastLimits };
  await Promise.all(philosophers.map((child) => child.request("open", spec)));
  return new Table(philosophers);
}
