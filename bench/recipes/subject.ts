// A locker under comparison, and what a section under its lock can ask of it.

export type Guard = {
  /** Throws when this locker knows, or will say when it is asked, that the lock is no longer held. */
  check(): Promise<void> | void;
  /** Calls the listener once this locker tells, unasked, that the lock is lost. */
  onLost(listener: () => void): void;
  /** Only some lockers have one. */
  readonly token?: number;
};

export type Subject = {
  /** Waits for the key and runs the section under its lock. */
  run(key: string, section: (guard: Guard) => Promise<void>): Promise<void>;
  close(): Promise<unknown>;
};

export type SubjectSetup = {
  readonly url: string;
  /** How long a process may be silent before others may take its lock. */
  readonly ttlMs: number;
  /** How often a waiter looks, where that can be chosen. */
  readonly retryMs: number;
};

/** What a peer uses where it is told no limits. */
export type PeerDefaults = {
  /** Spread over so long, its holders are met at every moment of their renewals. */
  readonly phasesMs: number;
  /** What they are, and whose word that is. */
  readonly say: string;
};

/** What a subject's module exports. Without limits it has its defaults. */
export type SubjectModule = {
  open(setup: Pick<SubjectSetup, "url"> & Partial<SubjectSetup>): Subject | Promise<Subject>;
};

/** What a peer's module exports besides. */
export type PeerModule = SubjectModule & {
  readonly defaults: PeerDefaults;
  /** The name in Redis under which is written who holds the key. */
  recordOf(key: string): string;
};

export type SubjectName = {
  readonly name: string;
  readonly is: "ours" | "peer";
  /** Whether the section asks before it writes. */
  readonly checks: boolean;
  readonly note?: string;
};

/** What can be run. A peer's name is that of its module in bench/peers. */
export const subjects: readonly SubjectName[] = [
  { name: "pulselock", is: "ours", checks: true },
  { name: "pulselock", is: "ours", checks: false, note: "no heartbeat before the write" },
  { name: "redlock", is: "peer", checks: true },
  { name: "redis-semaphore", is: "peer", checks: true },
  { name: "redlock-universal", is: "peer", checks: true },
];
