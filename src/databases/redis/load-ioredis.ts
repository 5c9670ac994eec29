/** What is needed of ioredis at run time. */
export type Ioredis = Pick<typeof import("ioredis"), "Redis" | "AbstractConnector">;

/** With the first connection: to load it takes longer than all the rest of the package. */
export async function loadIoredis(): Promise<Ioredis> {
  return import("ioredis");
}
