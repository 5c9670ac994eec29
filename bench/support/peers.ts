// Others' lockers at their defaults, all at the same moment: what they do most is to wait.

import type { PeerModule } from "../recipes/subject.js";
import { withHolders, type Holders } from "./holders.js";
import type { PeerModules } from "./question.js";

const names = ["redlock", "redlock-4", "redis-semaphore", "redlock-universal", "bullmq"];

export interface PeerAnswer<T> {
  readonly name: string;
  readonly given: T;
  /** Under which it was given, for a note. */
  readonly limits: string;
}

/**
 * Asks each of them, with processes and a Redis of its own. `phasesMs`: see withHolders; by default the peer's. Throws
 * at once where they are not installed, so that nothing else is begun.
 */
export function askPeers<T>(
  modules: PeerModules,
  ask: (holders: Holders, peer: PeerModule) => Promise<T>,
  phasesMs?: number,
): Promise<PeerAnswer<T>[]> {
  const addresses = names.map((name) => modules.module(name));
  return Promise.all(
    names.map(async (name, at) => {
      const address = addresses[at]!;
      const peer = (await import(address)) as PeerModule;
      const given = await withHolders(address, phasesMs ?? peer.defaults.phasesMs, (holders) => ask(holders, peer));
      return { name, given, limits: `${name}: ${peer.defaults.say}` };
    }),
  );
}
