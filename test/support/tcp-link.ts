// One proxied connection: the client's socket, the server's socket, a lane each way, and the ways to break them.

import type { Socket } from "node:net";
import { Lane, type LaneMode } from "./tcp-lane.js";

export interface LinkOptions {
  /** Opens the socket to the server. */
  readonly dial: () => Socket;
  readonly delayMs: () => number;
  readonly upMode: LaneMode;
  readonly downMode: LaneMode;
  /** Sees every chunk before its lane does. True: the hook has dealt with it. */
  readonly onRequest: (link: Link, bytes: Buffer) => boolean;
  readonly onReply: (link: Link, bytes: Buffer) => boolean;
  /** Both sockets are gone. */
  readonly onClosed: (link: Link) => void;
}

export class Link {
  /** Client to server. */
  readonly up: Lane;
  /** Server to client. */
  readonly down: Lane;
  readonly #client: Socket;
  readonly #options: LinkOptions;
  #server: Socket | undefined;
  #willDial = true;

  constructor(client: Socket, options: LinkOptions) {
    this.#client = client;
    this.#options = options;
    this.up = new Lane((bytes) => send(this.#server, bytes), options.delayMs);
    this.down = new Lane((bytes) => send(client, bytes), options.delayMs);
    this.up.mode = options.upMode;
    this.down.mode = options.downMode;
    // Dialling is the first thing that travels up, so a partition keeps new connections from the server too.
    this.up.push(() => this.#dial());
    const endUp = (wasReset: boolean) => this.up.push(() => end(this.#server, wasReset));
    watch(
      client,
      (bytes) => options.onRequest(this, bytes) || this.up.push(bytes),
      endUp,
      () => this.#afterClose(),
    );
  }

  get isClientOpen(): boolean {
    return !this.#client.destroyed;
  }

  /** Of the server that it leads to, while it does. */
  get serverPort(): number | undefined {
    return this.#server?.remotePort;
  }

  /** Both sides see a reset, where the system can send one. */
  reset(): void {
    this.close();
    resetSocket(this.#client);
    resetSocket(this.#server);
    this.#afterClose();
  }

  /** What was held is delivered, then both sides see the end of the stream. */
  finish(): void {
    this.up.release();
    this.down.release();
    this.close();
    this.#client.end();
    this.#server?.end();
    this.#afterClose();
  }

  /** The request reaches the server, the client sees a reset instead of its reply. Resolves once it was executed. */
  loseReply(request: Buffer): Promise<void> {
    this.down.close();
    this.up.push(request);
    return new Promise((resolve) => {
      this.up.push(() => {
        resetSocket(this.#client);
        resolve(this.#endServer());
      });
    });
  }

  /** These bytes are the last the client gets. Resolves once its stream has been ended. */
  endAfter(lastBytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
      this.down.push(lastBytes);
      this.down.push(() => {
        this.close();
        // An end rather than a reset: a reset would drop bytes that the client has not read yet.
        this.#client.end(() => resolve());
        resetSocket(this.#server);
      });
    });
  }

  /** The client sees a reset. What it had sent stays here until deliverDetached(). */
  detach(): void {
    this.up.mode = "hold";
    this.down.close();
    resetSocket(this.#client);
  }

  /** Sends what a detached client had sent, and the end of the stream. Resolves once the server has executed it. */
  deliverDetached(): Promise<void> {
    return new Promise((resolve) => this.up.flush(() => resolve(this.#endServer())));
  }

  /** Nothing is delivered any more, in either direction. */
  close(): void {
    this.up.close();
    this.down.close();
    this.#willDial = false;
  }

  #dial(): void {
    const server = this.#options.dial();
    this.#server = server;
    this.#willDial = false;
    const endDown = (wasReset: boolean) => this.down.push(() => end(this.#client, wasReset));
    const take = (bytes: Buffer) => this.#options.onReply(this, bytes) || this.down.push(bytes);
    watch(server, take, endDown, () => this.#afterClose());
  }

  /**
   * Ends the stream to the server, never with a reset: that would let the server's kernel drop a request it has not
   * read yet. A server closes after it has read, and so executed, all that came before the end.
   */
  #endServer(): Promise<void> {
    const server = this.#server;
    if (!server || server.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      server.once("close", () => resolve());
      server.end();
    });
  }

  /** A client that came and went while its connection was held is not over yet: it lands at heal(). */
  #afterClose(): void {
    if (this.#willDial) return;
    if (!this.#client.destroyed || this.#server?.destroyed === false) return;
    // Nothing may keep a timer running for sockets that are gone.
    this.close();
    this.#options.onClosed(this);
  }
}

/** Reads a socket for its lane. The end or the reset of the stream is told once. */
function watch(
  socket: Socket,
  onBytes: (bytes: Buffer) => unknown,
  onEnd: (wasReset: boolean) => void,
  onClose: () => void,
): void {
  let hasEnded = false;
  const endOnce = (wasReset: boolean): void => {
    if (!hasEnded) onEnd(wasReset);
    hasEnded = true;
  };
  // Requests and replies are small and latency is what tests look at, so bytes are never gathered.
  socket.setNoDelay(true);
  socket.on("data", onBytes);
  socket.on("end", () => endOnce(false));
  socket.on("error", () => undefined);
  socket.on("close", (hadError) => {
    endOnce(hadError);
    onClose();
  });
}

/** No back-pressure: what a test sends fits into memory, and a fault must not stop the sender. */
function send(socket: Socket | undefined, bytes: Buffer): void {
  if (socket?.writable) socket.write(bytes);
}

function end(socket: Socket | undefined, wasReset: boolean): void {
  if (wasReset) resetSocket(socket);
  else socket?.end();
}

/**
 * A socket whose end is still on its way cannot be reset: libuv refuses, Node 20 takes the handle for closed all the
 * same, and the process then spins at its exit for ever.
 */
function resetSocket(socket: Socket | undefined): void {
  if (socket?.writableEnded && !socket.writableFinished) socket.destroy();
  else socket?.resetAndDestroy();
}
