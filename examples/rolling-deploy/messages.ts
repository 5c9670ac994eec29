// What the parent and a worker process say to each other over the IPC channel.
import type { LedgerWrite } from "./ledger.js";

export type ToWorker =
  /** Keep the event loop busy for that long. */
  { type: "block"; forMs: number } | { type: "written"; id: number; accepted: boolean };

export type ToParent =
  /** Has tried every job once, so it takes part from now on. */
  { type: "ready" } | { type: "unblocked" } | ({ type: "write"; id: number } & LedgerWrite);
