// Requests that are executed twice, as a client library that resends would do: the copy first, on a connection of
// its own, the original right behind it, so that the client hears the answer of the second execution.

import { connect } from "node:net";
import type { TcpProxy } from "../support/tcp-proxy.js";

/** Whether the chunk is whole commands, all of them calls of scripts: nothing else may go by another connection. */
export function isScriptCall(chunk: Buffer): boolean {
  const names = commandNames(chunk);
  return names.length > 0 && names.every((name) => name === "evalsha" || name === "eval");
}

const sync = Buffer.from([0x53, 0, 0, 0, 4]);
const readyForQuery = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

/** Whether the chunk is statements of PostgreSQL with their values, from "Parse" to "Sync", and nothing else. */
export function isStatement(chunk: Buffer): boolean {
  return chunk[0] === 0x50 && chunk.subarray(-sync.length).equals(sync);
}

/** What a client of PostgreSQL says first; the tests' servers trust everybody. */
function startup(): Buffer {
  const words = Buffer.from("user\0pulselock\0database\0postgres\0\0", "latin1");
  const head = Buffer.alloc(8);
  head.writeInt32BE(head.length + words.length, 0);
  head.writeInt32BE(196_608, 4); // version 3.0
  return Buffer.concat([head, words]);
}

/** The names of the commands in the chunk, in lower case; empty when it does not consist of whole commands. */
export function commandNames(chunk: Buffer): string[] {
  const names: string[] = [];
  let at = 0;
  const readCount = (type: string): number => {
    const end = chunk.indexOf("\r\n", at);
    const count =
      end < 0 || chunk.toString("latin1", at, at + 1) !== type ? NaN : Number(chunk.toString("latin1", at + 1, end));
    at = end + 2;
    return count;
  };
  while (at < chunk.length) {
    const words = readCount("*");
    if (!(words > 0)) return [];
    for (let i = 0; i < words; i++) {
      const length = readCount("$");
      if (!(length >= 0) || at + length + 2 > chunk.length) return [];
      if (i === 0) names.push(chunk.toString("latin1", at, at + length).toLowerCase());
      at += length + 2;
    }
  }
  return names;
}

/** Doubles the calls for which `chosen` says so, until the returned function is called. */
export function duplicateCalls(proxy: TcpProxy, chosen: () => boolean): () => void {
  proxy.intercept((link, chunk) => {
    // The lane keeps what follows behind the copy: order within a connection is what TCP guarantees, at the end of this
    // fault as well.
    if ((isScriptCall(chunk) || isStatement(chunk)) && chosen())
      link.up.push(() => executeCopy(link.serverPort ?? proxy.targetPort, chunk));
    return false;
  });
  return () => proxy.intercept(undefined);
}

/** Resolves when the copy was answered, or its connection is gone. A store that stands still keeps both waiting. */
function executeCopy(port: number, chunk: Buffer): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  const isStatements = isStatement(chunk);
  let greeting = Buffer.alloc(0);
  let isSent = !isStatements;
  socket.write(isStatements ? startup() : chunk);
  return new Promise((resolve) => {
    socket.once("close", () => resolve());
    socket.on("data", (data: Buffer) => {
      if (isSent) {
        resolve();
        return socket.destroy();
      }
      greeting = Buffer.concat([greeting, data]);
      if (!greeting.includes(readyForQuery)) return;
      isSent = true;
      socket.write(chunk);
    });
  });
}
