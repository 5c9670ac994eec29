import { connect as connectPlain } from "node:net";
import { connect as connectTls } from "node:tls";
import type { RedisOptions } from "ioredis";
import type { Clock } from "../../clock.js";
import { nameOf, type ClusterNodes, type NodeAddress } from "./cluster-nodes.js";
import type { Ioredis } from "./load-ioredis.js";
import type { Route } from "./route.js";

/** The master that owns one slot, as the cluster's nodes say. */
export class ClusterRoute implements Route {
  readonly isSharded = true;
  readonly #nodes: ClusterNodes;
  readonly #slot: number;

  constructor(nodes: ClusterNodes, slot: number) {
    this.#nodes = nodes;
    this.#slot = slot;
  }

  options(
    clock: Clock,
    timeoutMs: number,
    onNamed: (server: string) => void,
    { AbstractConnector }: Ioredis,
  ): RedisOptions {
    const locate = async () => {
      const master = await this.#nodes.masterOf(this.#slot, clock, timeoutMs);
      onNamed(nameOf(master));
      return master;
    };
    const Connector = connectorTo(locate, AbstractConnector);
    return { Connector, connectTimeout: Math.max(1, Math.floor(timeoutMs / 2)) } as RedisOptions;
  }

  /**
   * The slot went elsewhere, or this node was made a replica, or is cut off from most of the others. While a slot is on
   * its way (TRYAGAIN, ASK) its old owner stays in charge: see redis-liveness.ts.
   */
  isLeft(words: string): boolean {
    return /^(MOVED|READONLY|CLUSTERDOWN)\b/.test(words);
  }

  watch(): () => void {
    return () => {};
  }

  /** A master that fell silent closes nothing: what hangs on it would hang while others enter the next one's era. */
  async lookUp(clock: Clock, timeoutMs: number, silent: string): Promise<string> {
    this.#nodes.doubt(silent);
    return nameOf(await this.#nodes.masterOf(this.#slot, clock, timeoutMs));
  }

  explain(failure: unknown): unknown {
    return failure;
  }
}

/** As ioredis wants it: a class that it makes one of for each connection. */
function connectorTo(locate: () => Promise<NodeAddress>, AbstractConnector: Ioredis["AbstractConnector"]) {
  return class extends AbstractConnector {
    readonly #options: RedisOptions;

    constructor(options: RedisOptions) {
      super(options.disconnectTimeout ?? 1);
      this.#options = options;
    }

    override async connect() {
      this.connecting = true;
      const { host, port } = await locate();
      if (!this.connecting) throw new Error("the connection was closed");
      const { family, tls } = this.#options;
      const to = { host, port, ...(family === undefined ? {} : { family }) };
      const stream = tls ? connectTls({ ...to, ...tls }) : connectPlain(to);
      stream.once("error", (error) => (this.firstError = error)); // read by ioredis when it comes too early for it
      this.stream = stream;
      return stream;
    }
  };
}
