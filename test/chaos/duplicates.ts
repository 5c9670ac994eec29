// Requests that are executed twice, as a client library that resends would do: the copy first, on a connection of
// its own, the original right behind it, so that the client hears the answer of the second execution.

import { connect } from "node:net";
import type { TcpProxy } from "../support/tcp-proxy.js";

/** Whether the chunk is whole commands, all of them calls of scripts: nothing else may go by another connection. */
export function isScriptCall(chunk: Buffer): boolean {
  const names = commandNames(chunk);
  return names.length > 0 && names.every((name) => name === "evalsha" || name === "eval");
}

/** Whether the chunk begins a statement of PostgreSQL with its values ("Parse"). */
export function isStatement(chunk: Buffer): boolean {
  return chunk[0] === 0x50;
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
    if (isScriptCall(chunk) && chosen()) link.up.push(() => executeCopy(proxy.targetPort, chunk));
    return false;
  });
  return () => proxy.intercept(undefined);
}

/** Resolves when the copy was answered, or its connection is gone. A store that stands still keeps both waiting. */
function executeCopy(port: number, chunk: Buffer): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(chunk);
  return new Promise((resolve) => {
    socket.once("close", () => resolve());
    socket.once("data", () => {
      resolve();
      socket.destroy();
    });
  });
}
