// Our own locker as the other subjects are used: one key, auto-renewed, asked before the write.

import { Locker } from "../../src/index.js";
import type { Subject, SubjectSetup } from "./subject.js";

export async function open({ url, ttlMs }: SubjectSetup): Promise<Subject> {
  // The session TTL is what a pause runs against: it is the time after which others may take a silent owner's lock.
  const limits = { sessionTtlMs: ttlMs, disconnectGraceMs: ttlMs / 2, pingIntervalMs: ttlMs / 10 };
  const locker = new Locker({ database: url, ...limits });
  await locker.acquireAndRun("first use", () => undefined);
  return {
    run: (key, section) =>
      locker.mutex(key, (check, lease) => {
        const onLost = (listener: () => void): void => lease.signal.addEventListener("abort", listener);
        return section({ check, onLost, token: lease.fencingToken });
      }),
    close: () => locker.close(),
  };
}
