import { channel } from "node:diagnostics_channel";
import createDebug from "debug";
import type { CondemnReason } from "./databases/database.js";
import type { LockErrorCode, StoreErrorCode } from "./errors.js";
import type { SessionCause } from "./liveness-protocol.js";

/** What is published on node:diagnostics_channel as `pulselock:<name>`, and said by debug under the same name. */
export type Events = {
  /** A lease was granted. `takenFrom` names the condemned session that held the key before. */
  granted: { key: string; fencingToken: number; waitedMs: number; takenFrom: Condemned | undefined };
  /** Somebody else holds the key. */
  busy: { key: string; sessionId: string; fencingToken: number };
  released: { key: string; fencingToken: number };
  lost: { key: string; fencingToken: number; code: LockErrorCode };
  /** This process has a session, or another one than before. */
  session: { sessionId: string; cause: SessionCause; era: string; epoch: number };
  /** This process condemned a peer's session. */
  condemned: Condemned;
  /** The worker thread was started, ended, or failed and will be started again. */
  worker: { state: "started" | "stopped" | "failed" | "stalled"; error?: unknown };
  /** The store could not be asked, or refused. */
  store: { code: StoreErrorCode; message: string };
  drain: { reason: string; state: "started" | "aborting" | "settled" | "left"; jobs: number };
};

export type Condemned = { sessionId: string; reason: CondemnReason; silentMs: number; host: string; pid: number };

const names = [
  "granted",
  "busy",
  "released",
  "lost",
  "session",
  "condemned",
  "worker",
  "store",
  "drain",
] as const satisfies readonly (keyof Events)[];

const sinks = Object.fromEntries(
  names.map((name) => [name, { channel: channel(`pulselock:${name}`), debug: createDebug(`pulselock:${name}`) }]),
) as Record<keyof Events, { channel: ReturnType<typeof channel>; debug: createDebug.Debugger }>;

/** The payload is made only when somebody listens. */
export function publish<Name extends keyof Events>(name: Name, payload: () => Events[Name]): void {
  const sink = sinks[name];
  if (!sink.channel.hasSubscribers && !sink.debug.enabled) return;
  const message = payload();
  sink.channel.publish(message);
  sink.debug("%o", message);
}
