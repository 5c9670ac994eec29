// What the README's samples take for granted: an application around them.

import type { ConnectionOptions } from "node:tls";
import { Locker, RedisDatabase } from "../../src/index.js";
import type { Versioned } from "../../src/recipes/index.js";
import { fastLimits } from "../support/lockers.js";

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

export const request = new AbortController();
export const stop = new AbortController();
export const jobs = { add: <T>(run: () => Promise<T>): Promise<T> => run() };
export const table = {
  read: (_key: string): Promise<Versioned<number, number>> => Promise.resolve({ value: 1, version: 1 }),
  writeIf: (_key: string, _value: number, _version: number, _fencingToken: number | undefined): Promise<boolean> =>
    Promise.resolve(true),
};

const doNothing = async (): Promise<void> => {};
export const book = (_account: string, amount: number, _options: { fencingToken: number }): number => amount;
export const transfer = async (_tokens: number[]): Promise<void> => {};
export const schedule = async (_options: { fencingToken: number }): Promise<void> => {};
export const readCatalogue = doNothing;
export const sendMail = doNothing;
export const editParagraph = doNothing;
export const rearrange = doNothing;
export const sendReport = doNothing;
export const reindex = doNothing;
export const swap = doNothing;
