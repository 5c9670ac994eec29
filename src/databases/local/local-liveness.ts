import type {
  BeginRequest,
  LivenessConnection,
  LivenessEvents,
  PingAnswer,
  PingRequest,
  StoreContext,
} from "../database.js";
import { begin } from "./begin.js";
import { Door, type DoorDeps } from "./door.js";
import { ping } from "./ping.js";
import { sessionChannel } from "./records.js";
import type { Step } from "./step.js";

/** So often it looks whether it is to ask: while anybody on this host holds or waits for anything, or else, ms. */
const WATCH_MS = { used: 25, idle: 250 };
/** So often it clears away what nobody needs any more, ms. */
const CLEAR_MS = 60_000;

/** One connection of the worker thread. */
export class LocalLiveness implements LivenessConnection {
  readonly ready: Promise<void>;
  readonly #door: Door;
  readonly #context: StoreContext;
  #listens = false;
  #clearedAtMs: number;

  constructor(deps: DoorDeps, context: StoreContext, events: LivenessEvents) {
    this.#context = context;
    this.#clearedAtMs = context.clock.monoMs();
    this.#door = new Door(deps, context.clock, {
      onPush: () => events.onPush(),
      onClose: (cause) => events.onClose(cause),
    });
    this.ready = this.#door.ready;
  }

  async listen(sessionId: string): Promise<boolean> {
    await this.#door.run((step) => this.#door.listen(sessionChannel(sessionId), step));
    this.#listens = true;
    return true;
  }

  begin(request: BeginRequest): Promise<PingAnswer> {
    const listens = this.#listens;
    return this.#run((step, monoMs) => begin(step, { ...request, monoMs, listens }));
  }

  ping(request: PingRequest): Promise<PingAnswer> {
    return this.#run((step, monoMs) => ping(step, { ...request, monoMs }));
  }

  async goodbye(sessionId: string): Promise<void> {
    await this.#door.run(({ records }) => records.delete("session", sessionId));
  }

  close(): void {
    this.#door.close();
  }

  async #run(work: (step: Step, monoMs: number) => PingAnswer): Promise<PingAnswer> {
    const monoMs = Math.floor(this.#context.clock.monoMs());
    let isUsed = false;
    const answer = await this.#door.run((step) => {
      const given = work(step, monoMs);
      isUsed = step.records.hasAny("lease") || step.records.hasAny("waiter");
      if (monoMs - this.#clearedAtMs > CLEAR_MS) {
        step.records.clear(step.nowMs);
        this.#clearedAtMs = monoMs;
      }
      return given;
    });
    this.#door.watch(isUsed ? WATCH_MS.used : WATCH_MS.idle);
    return answer;
  }
}
