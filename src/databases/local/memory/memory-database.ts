import { hostClockUs, systemClock, type Clock } from "../../../clock.js";
import { StoreError } from "../../../errors.js";
import { checkNames } from "../../../options.js";
import type {
  Database,
  DatabaseDescription,
  LeaseStore,
  LivenessConnection,
  LivenessEvents,
  StoreContext,
} from "../../database.js";
import { checkRecoveryMs, DEFAULT_RECOVERY_MS } from "../../recovery-ms.js";
import type { DoorDeps, LocalConnection, LocalEvents } from "../door.js";
import { LocalLeases } from "../local-leases.js";
import { LocalLiveness } from "../local-liveness.js";
import { Step, type StoreFacts } from "../step.js";
import { MemoryRecords } from "./memory-records.js";

export type MemoryDatabaseSettings = {
  /** How long nothing is granted after the store lost its memory, ms. Default 2 500. A new one has nothing to lose. */
  recoveryMs?: number;
};

const PROOFS = { bootId: "", pidNamespace: "", timeNamespace: "", startTime: "" };

/**
 * A store in this process's memory, for an application's unit tests: no thread, no file. Lockers that are given the
 * same object share it.
 */
export class MemoryDatabase implements Database {
  readonly recoveryMs: number;
  /** Its lockers run the worker's code in the thread they are in: no other could reach it. */
  readonly isInProcess = true;
  readonly #store = new MemoryStore();
  readonly #deps: DoorDeps;

  constructor(settings: MemoryDatabaseSettings = {}) {
    checkNames(settings, new Set(["recoveryMs"]));
    this.recoveryMs = settings.recoveryMs ?? DEFAULT_RECOVERY_MS;
    checkRecoveryMs(this.recoveryMs);
    this.#deps = { open: (clock, events) => this.#store.open(clock, events), process: { pid: 0, proofs: PROOFS } };
  }

  openLeases(context: StoreContext): LeaseStore {
    return new LocalLeases(this.#deps, context);
  }

  openLiveness(context: StoreContext, events: LivenessEvents): LivenessConnection {
    return new LocalLiveness(this.#deps, context, events);
  }

  describe(): DatabaseDescription {
    return { type: "memory" };
  }

  disposeImported(): void {}

  /** For tests: another hand in the store. */
  get store(): MemoryStore {
    return this.#store;
  }
}

/** The records, and all that are connected to them. */
export class MemoryStore {
  readonly records = new MemoryRecords();
  readonly #connections = new Set<MemoryConnection>();
  #isFresh = true;
  #losses = 0;

  open(clock: Clock, events: LocalEvents): LocalConnection {
    const connection = new MemoryConnection(this, clock, events, () => this.#connections.delete(connection));
    this.#connections.add(connection);
    return connection;
  }

  step<T>(work: (step: Step) => T): T {
    const step = new Step(this.records, this.#facts());
    this.#isFresh = false;
    const result = work(step);
    if (step.pushes > 0) for (const connection of this.#connections) connection.tell();
    return result;
  }

  /** It forgets everything, as a server that lost its data. */
  forget(): void {
    this.records.forget();
    this.#losses += 1;
  }

  #facts(): StoreFacts {
    return {
      ...{ boot: "memory", file: "", timeNamespace: "", isFresh: this.#isFresh && this.#losses === 0 },
      ...{ hostUs: hostClockUs, wallMs: () => systemClock.wallMs() },
      freshId: () => systemClock.freshId(10),
      isSilent: () => true, // there is no other boot
      isGone: () => false, // whoever ends here ends with the store, or closes its door
    };
  }
}

class MemoryConnection implements LocalConnection {
  readonly ready = Promise.resolve();
  readonly #store: MemoryStore;
  readonly #clock: Clock;
  readonly #events: LocalEvents;
  readonly #onClose: () => void;
  #isTold = false;
  #isClosed = false;

  constructor(store: MemoryStore, clock: Clock, events: LocalEvents, onClose: () => void) {
    this.#store = store;
    this.#clock = clock;
    this.#events = events;
    this.#onClose = onClose;
  }

  async run<T>(work: (step: Step) => T): Promise<T> {
    if (this.#isClosed) throw new StoreError("unreachable", "the connection was closed");
    return this.#store.step(work);
  }

  hasPushes(doorId: string): boolean {
    return this.#store.records.scan("push", doorId).length > 0;
  }

  /** There is nothing to watch: whoever changes something tells it. */
  watch(): void {}

  tell(): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.#clock.afterInput(() => {
      this.#isTold = false;
      if (!this.#isClosed) this.#events.onChange();
    });
  }

  close(last?: (step: Step) => void): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClose();
    if (last) this.#store.step(last);
  }
}
