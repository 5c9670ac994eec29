import type {
  Database,
  DatabaseDescription,
  LeaseStore,
  LivenessConnection,
  LivenessEvents,
  StoreContext,
} from "../../database.js";
import { DEFAULT_RECOVERY_MS } from "../../recovery-ms.js";
import type { DoorDeps } from "../door.js";
import { LocalLeases } from "../local-leases.js";
import { LocalLiveness } from "../local-liveness.js";
import { MemoryStore } from "../memory/memory-database.js";
import { grantAll } from "./grant-all.js";

const PROOFS = { bootId: "", pidNamespace: "", timeNamespace: "", startTime: "" };

/**
 * The store of a locker with `enabled: false`: records in this process's memory, as those of MemoryDatabase, and a rule
 * that grants everything. So a job has all that it has with a lock (a token, a signal, a heartbeat, a drain), and
 * readHolder and revoke find it; no thread, no connection, no file.
 */
export class UnlockedDatabase implements Database {
  readonly recoveryMs = DEFAULT_RECOVERY_MS;
  readonly isInProcess = true;
  readonly #deps: DoorDeps;

  constructor() {
    const store = new MemoryStore();
    this.#deps = { open: (clock, events) => store.open(clock, events), process: { pid: 0, proofs: PROOFS } };
  }

  openLeases(context: StoreContext): LeaseStore {
    return new LocalLeases(this.#deps, context, grantAll);
  }

  openLiveness(context: StoreContext, events: LivenessEvents): LivenessConnection {
    return new LocalLiveness(this.#deps, context, events);
  }

  describe(): DatabaseDescription {
    return { type: "memory" };
  }

  disposeImported(): void {}
}

let shared: UnlockedDatabase | undefined;

/** That of this process: tokens grow over all of its lockers. Said once: what is off by mistake is off in silence. */
export function unlockedDatabase(): UnlockedDatabase {
  if (!shared) {
    const message = "pulselock is off (enabled: false): every acquire succeeds, also of a key that is held";
    process.emitWarning(message, { code: "PULSELOCK_OFF" });
  }
  return (shared ??= new UnlockedDatabase());
}
