// A worker process's side of the IPC channel.
import { nowMs } from "./records.js";
import type { LedgerWrite } from "./ledger.js";
import type { ToParent, ToWorker } from "./messages.js";

export type Parent = {
  send: (message: ToParent) => void;
  /** Resolves to false when the resource refused the token; rejects when the parent is gone. */
  writeToLedger: (write: LedgerWrite) => Promise<boolean>;
};

type PendingWrite = { resolve: (accepted: boolean) => void; reject: (error: Error) => void };

export function connectToParent(): Parent {
  const pending = new Map<number, PendingWrite>();
  let lastId = 0;

  const send = (message: ToParent): void => {
    // A parent that went away between the check and the write is told by "disconnect"; the callback takes the error.
    if (process.connected) process.send?.(message, undefined, undefined, () => {});
  };

  process.on("message", (message: ToWorker) => {
    if (message.type === "written") {
      pending.get(message.id)?.resolve(message.accepted);
      pending.delete(message.id);
    } else {
      keepBusy(message.forMs);
      send({ type: "unblocked" });
    }
  });
  process.once("disconnect", () => {
    for (const write of pending.values()) write.reject(new Error("the parent process is gone"));
    pending.clear();
  });

  const writeToLedger = (write: LedgerWrite): Promise<boolean> =>
    new Promise((resolve, reject) => {
      if (!process.connected) return reject(new Error("the parent process is gone"));
      const id = ++lastId;
      pending.set(id, { resolve, reject });
      send({ type: "write", id, ...write });
    });

  return { send, writeToLedger };
}

/** The fault itself: no timer, no socket and no promise of this thread gets a turn meanwhile. */
function keepBusy(forMs: number): void {
  const untilMs = nowMs() + forMs;
  while (nowMs() < untilMs);
}
