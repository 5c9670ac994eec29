import type { RedisOptions } from "ioredis";
import type { Clock } from "../../clock.js";
import type { Ioredis } from "./load-ioredis.js";

/** How a connection finds the server that is in charge, where that may be another one tomorrow. */
export interface Route {
  /** Channels of the server that owns their slot, as the keys are, in place of those that all servers share. */
  readonly isSharded: boolean;
  /**
   * What a connection that is opened now adds to the user's options. It has so long for all of it, ms. `onNamed` is
   * told which server it is led to, where others say which.
   */
  options(clock: Clock, timeoutMs: number, onNamed: (server: string) => void, ioredis: Ioredis): RedisOptions;
  /** Whether a server that refuses in these words is not in charge: the connection ends, the next one looks anew. */
  isLeft(words: string): boolean;
  /** Calls back when others say that this server has taken over. Returns what ends that. */
  watch(clock: Clock, onSwitch: (server: string) => void): () => void;
  /** Where nobody tells of it unasked: who is in charge now, as others say than that one, which does not answer. */
  lookUp?(clock: Clock, timeoutMs: number, silent: string): Promise<string>;
  /** Why a connection failed, where whoever shows the way knows more of it than the driver does. */
  explain(failure: unknown): unknown;
}

/** One server, always the same. What it cannot do is told to whoever asked. */
export const directRoute: Route = {
  isSharded: false,
  options: () => ({}),
  isLeft: () => false,
  watch: () => () => {},
  explain: (failure) => failure,
};
