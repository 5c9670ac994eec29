// Loopback ports that stay ours across restarts.

import { randomInt } from "node:crypto";
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer, type Server } from "node:net";

/** So many ports are kept for us: more than all that runs at a time in one process has. */
const KEPT_MAX = 500;
const kept: UdpSocket[] = [];

/**
 * A free port below the range from which the system picks ports for outgoing connections (Linux 32768 up, macOS 49152
 * up). A server that is down for a restart would lose an ephemeral port to the first client that dials out. And it
 * would lose this one to whoever else looks for a free port, in this process or another one on this machine: so the
 * UDP port of that number is kept bound, which all that look here respect.
 * Still a guess: somebody who looks elsewhere may take it before the caller does, so callers try again with a new one.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(10_240, 32_768);
    const mark = await keep(port);
    if (!mark) continue;
    const probe = createServer();
    if (await listen(probe, port)) {
      await closeServer(probe);
      kept.push(mark);
      if (kept.length > KEPT_MAX) kept.shift()!.close();
      return port;
    }
    mark.close();
  }
  throw new Error("no free port on 127.0.0.1 after 100 tries");
}

/** Undefined: that number is kept for somebody else. */
function keep(port: number): Promise<UdpSocket | undefined> {
  const mark = createSocket("udp4").unref();
  return new Promise((resolve, reject) => {
    mark.once("error", (error: NodeJS.ErrnoException) => {
      mark.close();
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error);
    });
    mark.bind({ port, address: "127.0.0.1", exclusive: true }, () => resolve(mark));
  });
}

/** False when the port is taken. Any other failure is thrown. */
export function listen(server: Server, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      if (error.code === "EADDRINUSE") resolve(false);
      else reject(error);
    };
    server.once("error", onError);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", onError);
      resolve(true);
    });
  });
}

/** Stops listening. Resolves once the open connections, if any, have ended as well. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
