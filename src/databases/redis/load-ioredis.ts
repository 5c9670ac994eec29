import type { AbstractConnector, Redis } from "ioredis";

/** What is needed of ioredis at run time. */
export type Ioredis = { Redis: typeof Redis; AbstractConnector: typeof AbstractConnector };

/** With the first connection: to load it takes longer than all the rest of the package. */
export async function loadIoredis(): Promise<Ioredis> {
  return import("ioredis");
}
