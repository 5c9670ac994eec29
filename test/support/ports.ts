// Loopback ports that stay ours across restarts.

import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";

/**
 * A free port below the range from which the system picks ports for outgoing connections (Linux 32768 up, macOS 49152
 * up). A server that is down for a restart would lose an ephemeral port to the first client that dials out.
 * Still a guess: another process may take it before the caller does, so callers try again with a new one.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(10_240, 32_768);
    const probe = createServer();
    if (await listen(probe, port)) {
      await closeServer(probe);
      return port;
    }
  }
  throw new Error("no free port on 127.0.0.1 after 100 tries");
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
