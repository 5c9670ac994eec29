// Our own locker with its defaults, as the peers of bench/peers are used.

import { Locker } from "../../src/index.js";
import type { Subject, SubjectSetup } from "../recipes/subject.js";

export async function open({ url }: Pick<SubjectSetup, "url">): Promise<Subject> {
  const locker = new Locker({ database: url });
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
