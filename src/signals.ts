import type { Clock } from "./clock.js";
import { settleBy } from "./settle.js";

const NOBODY: readonly OnAbort[] = [];

/**
 * AbortSignal.any with an end: on Node 20 and 22 a signal made by `any` stays registered with a long-lived source
 * for as long as that lives, so a locker that acquires for weeks would leak.
 */
export class JoinedSignal implements AbortListener {
  readonly #sources: readonly AbortSignal[];
  /** Made for the first who needs it: a signal costs more than the whole rest of an acquire that nobody aborts. */
  #controller: AbortController | undefined;
  #aborted: { reason: Error } | undefined;
  /** Of those within it: none or one, as a rule. */
  #rejects: readonly OnAbort[] = NOBODY;

  constructor(sources: readonly AbortSignal[]) {
    this.#sources = sources;
    for (const source of sources) listen(source, this);
  }

  onAbort(reason: Error): void {
    this.abort(reason);
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#aborted.reason);
    }
    return this.#controller.signal;
  }

  abort(reason: Error): void {
    if (this.#aborted) return;
    this.#aborted = { reason };
    this.#controller?.abort(reason);
    for (const reject of this.#rejects) reject(reason);
    this.#rejects = NOBODY;
  }

  throwIfAborted(): void {
    if (this.#aborted) throw this.#aborted.reason;
  }

  /** The promise, or the reason if that comes first; what becomes of the promise is then handled elsewhere. */
  within<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#aborted) reject(this.#aborted.reason);
      else this.#rejects = [...this.#rejects, reject];
      settleBy(promise, { resolve, reject }, () => this.#leave(reject));
    });
  }

  dispose(): void {
    for (const source of this.#sources) stopListening(source, this);
  }

  #leave(reject: OnAbort): void {
    const others = this.#rejects.length > 1;
    this.#rejects = others ? this.#rejects.filter((one) => one !== reject) : NOBODY;
  }
}

/** Who listens to a source. It gets one listener for all: Node warns of a leak when a signal has more than ten. */
const listenersOf = new WeakMap<AbortSignal, Set<AbortListener>>();
type OnAbort = (reason: Error) => void;
export type AbortListener = { readonly onAbort: OnAbort };

export function joinSignals(sources: readonly AbortSignal[]): JoinedSignal {
  return new JoinedSignal(sources);
}

/** Calls `fn` when the source aborts, or at once if it has; until the returned function is called. */
export function onAbort(source: AbortSignal, fn: OnAbort): () => void {
  const listener = { onAbort: fn }; // an object of its own: `fn` may listen twice
  listen(source, listener);
  return () => stopListening(source, listener);
}

/** The same without a function for each: ends with stopListening(). */
export function listen(source: AbortSignal, listener: AbortListener): void {
  if (source.aborted) return listener.onAbort(source.reason as Error);
  const listeners = listenersOf.get(source);
  if (listeners) listeners.add(listener);
  else {
    listenersOf.set(source, new Set([listener]));
    source.addEventListener("abort", tell, { once: true });
  }
}

export function stopListening(source: AbortSignal, listener: AbortListener): void {
  const listeners = listenersOf.get(source);
  if (!listeners?.delete(listener) || listeners.size > 0) return;
  listenersOf.delete(source);
  source.removeEventListener("abort", tell);
}

function tell(event: Event): void {
  const source = event.target as AbortSignal;
  const listeners = listenersOf.get(source) ?? [];
  listenersOf.delete(source);
  for (const listener of listeners) listener.onAbort(source.reason as Error);
}

/** Asks with a signal that aborts after so many ms, and as soon as `ended` does: then its reason is thrown. */
export async function withPatience<T>(
  clock: Clock,
  ms: number,
  ended: AbortSignal,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const patience = joinSignals([ended]);
  const timer = clock.timer(ms, () => patience.abort(new Error("timeout")));
  try {
    return await ask(patience.signal);
  } catch (error) {
    throw ended.aborted ? ended.reason : error;
  } finally {
    timer.cancel();
    patience.dispose();
  }
}
