// A locker under comparison, and what a section under its lock can ask of it.

export type Guard = {
  /** Throws when this locker knows, or will say when it is asked, that the lock is no longer held. */
  check(): Promise<void> | void;
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

/** What a subject's module exports. */
export type SubjectModule = { open(setup: SubjectSetup): Subject | Promise<Subject> };

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
