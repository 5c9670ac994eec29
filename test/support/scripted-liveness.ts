// A store without a network, for the worker's side: a test sees every request and says when and how it is answered.

import type {
  BeginRequest,
  Database,
  LivenessConnection,
  LivenessEvents,
  PingAnswer,
  PingRequest,
} from "../../src/databases/database.js";
import type { FakeClock } from "./fake-clock.js";

/** A request that waits for its answer. */
export interface Asked<Request = unknown> {
  readonly verb: "listen" | "begin" | "ping" | "goodbye";
  readonly request: Request;
  answer(answer: unknown): void;
  fail(error: Error): void;
}

type Requests = { listen: string; begin: BeginRequest; ping: PingRequest; goodbye: string };

/** One connection. It comes up, and is told that it may listen, by itself unless the store was told otherwise. */
export class ScriptedConnection implements LivenessConnection {
  readonly ready: Promise<void>;
  readonly unanswered: Asked[] = [];
  /** Every verb that was asked for, in its order. */
  readonly verbs: string[] = [];
  isClosed = false;
  readonly #events: LivenessEvents;
  readonly #listensByItself: boolean;
  #settleReady: { resolve(): void; reject(cause: Error): void } | undefined;

  constructor(events: LivenessEvents, opensByItself: boolean, listensByItself: boolean) {
    this.#events = events;
    this.#listensByItself = listensByItself;
    this.ready = new Promise((resolve, reject) => (this.#settleReady = { resolve, reject }));
    this.ready.catch(() => undefined);
    if (opensByItself) this.comeUp();
  }

  comeUp(): void {
    this.#settleReady?.resolve();
  }
  refuse(cause: Error): void {
    this.#settleReady?.reject(cause);
  }

  push(): void {
    this.#events.onPush();
  }

  /** As when the network fails: what is under way gets no answer, and the owner is told. */
  break(cause = new Error("reset")): void {
    this.isClosed = true;
    this.#events.onClose(cause);
    for (const asked of this.unanswered.splice(0)) asked.fail(cause);
  }

  /** The oldest unanswered request, which must be of that verb. */
  asked<Verb extends keyof Requests>(verb: Verb): Asked<Requests[Verb]> {
    const first = this.unanswered[0];
    if (first?.verb !== verb) throw new Error(`expected ${verb} to be asked for, not ${first?.verb ?? "nothing"}`);
    return first as Asked<Requests[Verb]>;
  }

  listen(sessionId: string): Promise<boolean> {
    if (!this.#listensByItself) return this.#ask("listen", sessionId) as Promise<boolean>;
    this.verbs.push("listen");
    return Promise.resolve(true);
  }
  begin(request: BeginRequest): Promise<PingAnswer> {
    return this.#ask("begin", request) as Promise<PingAnswer>;
  }
  ping(request: PingRequest): Promise<PingAnswer> {
    return this.#ask("ping", request) as Promise<PingAnswer>;
  }
  goodbye(sessionId: string): Promise<void> {
    return this.#ask("goodbye", sessionId) as Promise<void>;
  }

  /** Closed by its owner, which is no break. */
  close(): void {
    this.isClosed = true;
    for (const asked of this.unanswered.splice(0)) asked.fail(new Error("closed by its owner"));
  }

  #ask(verb: Asked["verb"], request: unknown): Promise<unknown> {
    this.verbs.push(verb);
    if (this.isClosed) return Promise.reject(new Error("the connection is closed"));
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        const at = this.unanswered.indexOf(asked);
        if (at >= 0) this.unanswered.splice(at, 1);
        act();
      };
      const asked: Asked = {
        ...{ verb, request },
        answer: (answer) => settle(() => resolve(answer)),
        fail: (error) => settle(() => reject(error)),
      };
      this.unanswered.push(asked);
    });
  }
}

export class ScriptedStore {
  readonly connections: ScriptedConnection[] = [];
  opensByItself = true;
  listensByItself = true;
  /** How far the store's clock is ahead of the monotonic one, ms. */
  aheadMs = 1_000_000;
  era = "era1";
  recovering = false;
  lostCounter = 0;
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  /** Only what the worker uses of a database. */
  get database(): Database {
    const unused = (): never => {
      throw new Error("not the worker's business");
    };
    return {
      recoveryMs: 2_500,
      openLeases: unused,
      describe: unused,
      disposeImported: () => undefined,
      openLiveness: (_context, events) => {
        const connection = new ScriptedConnection(events, this.opensByItself, this.listensByItself);
        this.connections.push(connection);
        return connection;
      },
    };
  }

  /** An answer as the store would give it now. */
  answer(status: PingAnswer["status"] = "alive", more: Partial<PingAnswer> = {}): PingAnswer {
    const { era, recovering, lostCounter } = this;
    const nowMs = Math.floor(this.#clock.monoMs() + this.aheadMs);
    const eraNumber = Number(/\d+$/.exec(era)?.[0] ?? 1);
    return { status, era, eraNumber, recovering, nowMs, lostCounter, recoveryMs: 2_500, openInMs: 0, ...more };
  }
}
