// What the README's samples take for granted: an application around them.

import type { ConnectionOptions } from "node:tls";
import { Locker } from "../../src/index.js";
import { fastLimits } from "../support/lockers.js";
import { RedisDatabase } from "../../src/index.js";

const url = process.env["README_REDIS_URL"] ?? "redis://127.0.0.1";
const database = new RedisDatabase(url, { recoveryMs: 700 });

export const locker = new Locker({ database, ...fastLimits });

export const host = "127.0.0.1";
export const port = 6379;
export const password = "secret";
export const checkServerIdentity: NonNullable<ConnectionOptions["checkServerIdentity"]> = () => undefined;

export async function listCustomers(_options: { signal: AbortSignal }): Promise<string[]> {
  return ["one", "another"];
}

export async function writeReport(_customer: string, _options: { fencingToken: number }): Promise<void> {}
