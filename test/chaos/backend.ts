// What a store must offer to be put under faults. The harness knows no store but through this.

import type { FinalHolder } from "../history/checker.js";
import type { ClockShim } from "./clock-shim.js";
import type { Fault, Schedule } from "./schedule.js";
import type { FaultKind } from "./kinds.js";
import type { Limits } from "./fleets.js";
import type { Interval } from "./relaxations.js";

export type StoreDeps = {
  /** For data and logs; removed with the schedule. */
  readonly directory: string;
  /** Undefined where clocks cannot be stepped. */
  readonly shim: ClockShim | undefined;
};

export interface Backend {
  readonly name: string;
  /** The kinds of fault on this store and on the links to it; those on processes every store has. */
  readonly kinds: readonly FaultKind[];
  /** Of a backend of two stores: those on the second store. Links lead to both. */
  readonly second?: readonly FaultKind[];
  /** How many replicas can be asked to acknowledge. */
  readonly replicas?: number;
  /** Faults of this backend that this machine cannot produce, and why. */
  notRun(shim: ClockShim | undefined): ReadonlyMap<FaultKind, string>;
  start(schedule: Schedule, deps: StoreDeps): Promise<Store>;
}

/** A running store that a schedule has for itself. */
export interface Store extends AsyncDisposable {
  /** Where clients are to connect; `onMoved` tells when that has changed. */
  readonly port: number;
  onMoved(listener: (port: number) => void): void;
  /** The other servers that a member's proxy has a door to each of; none of them moves. */
  readonly otherPorts?: readonly number[];
  /** Of two stores: that of the second one. A member reaches it by another proxy, with faults of its own. */
  readonly secondPort?: number;
  /** JSON for member-database.ts in the member's process: how to reach the store through those doors. */
  describe(doors: DoorPorts, limits: Limits, host: string | undefined): unknown;
  /**
   * Brings the fault about, waits until it is over, and ends it. Rejects when it could not be brought about (a store
   * that is down cannot be told to pause); then it does not count.
   */
  apply(fault: Fault, tools: FaultTools): Promise<void>;
  /** What came about by itself, because of faults: by whose kinds a history is judged as well. */
  seen?(): readonly Interval[];
  /** Ends whatever is left of any fault. Resolves once the store serves. */
  heal(): Promise<void>;
  /** Resolves once nothing is under way any more that a fault has set going. Every member is healed by then. */
  settled?(): Promise<void>;
  /** Leases of sessions that are not condemned, and the process whose session it is. */
  holders(): Promise<StoredHolder[]>;
  /** What should not be there when every locker has been closed. */
  leftovers(): Promise<string[]>;
}

/** The ports of a member's proxy: the one that leads to the store's `port`, and one for each of its `otherPorts`. */
export type DoorPorts = {
  readonly port: number;
  readonly others: readonly number[];
  /** Of the proxy that leads to the store's `secondPort`. */
  readonly second?: number;
};

export type StoredHolder = FinalHolder & { readonly pid: number };

export type FaultTools = {
  /** Call when the fault has begun: dates it in the history. */
  begun(): void;
  wait(ms: number): Promise<void>;
};
