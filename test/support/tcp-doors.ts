// The ports that a proxy listens on.

import { createServer, type Server, type Socket } from "node:net";
import { freePort, listen } from "./ports.js";

export class Doors {
  /** What is done with who comes in by a port. */
  readonly #ports = new Map<number, (client: Socket) => void>();
  #servers: Server[] = [];

  get ports(): number[] {
    return [...this.#ports.keys()];
  }

  /** Listens on a free port. Resolves with it. */
  async add(onClient: (client: Socket) => void): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      const port = await freePort();
      this.#ports.set(port, onClient);
      try {
        await this.#listen(port);
        return port;
      } catch (error) {
        this.#ports.delete(port);
        // Another process took the port between the look and the listen.
        if (attempt === 5) throw error;
      }
    }
  }

  /** Listens again after refuse(). */
  async accept(): Promise<void> {
    if (this.#servers.length > 0) return;
    for (const port of this.ports) await this.#listen(port);
  }

  /** Listens no more. Open connections go on. */
  refuse(): void {
    for (const server of this.#servers.splice(0)) server.close();
  }

  async #listen(port: number): Promise<void> {
    // Half open, since the end of one direction must be held or lost like its bytes are.
    const server = createServer({ allowHalfOpen: true }, this.#ports.get(port));
    if (!(await listen(server, port))) throw new Error(`port ${port} was taken by another process`);
    this.#servers.push(server);
  }
}
