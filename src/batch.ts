import type { Clock } from "./clock.js";

/** Elements a command: larger ones bring no more throughput, and far larger ones stop the store for everybody. */
export const BATCH_MAX = 64;

type Entry<Request, Answer> = { request: Request; resolve(answer: Answer): void; reject(error: unknown): void };

/**
 * What is asked for in one turn of the event loop travels as one command for every 64. Each element gets its own
 * answer; when the command fails as a whole, each is told so.
 */
export class Batch<Request, Answer> {
  readonly #clock: Clock;
  readonly #send: (requests: readonly Request[]) => Promise<readonly Answer[]>;
  #entries: Entry<Request, Answer>[] = [];

  constructor(clock: Clock, send: (requests: readonly Request[]) => Promise<readonly Answer[]>) {
    this.#clock = clock;
    this.#send = send;
  }

  add(request: Request): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#entries.push({ request, resolve, reject });
      if (this.#entries.length === 1) this.#clock.afterInput(() => this.flush());
    });
  }

  flush(): void {
    const entries = this.#entries;
    this.#entries = [];
    for (let i = 0; i < entries.length; i += BATCH_MAX) void this.#flush(entries.slice(i, i + BATCH_MAX));
  }

  async #flush(entries: readonly Entry<Request, Answer>[]): Promise<void> {
    try {
      const answers = await this.#send(entries.map(({ request }) => request));
      entries.forEach(({ resolve }, i) => resolve(answers[i]!));
    } catch (error) {
      for (const { reject } of entries) reject(error);
    }
  }
}
