/**
 * AbortSignal.any with an end: on Node 20 and 22 a signal made by `any` stays registered with a long-lived source
 * for as long as that lives, so a locker that acquires for weeks would leak.
 */
export type JoinedSignal = { signal: AbortSignal; abort(reason: Error): void; dispose(): void };

/** Who listens to a source. It gets one listener for all: Node warns of a leak when a signal has more than ten. */
const listenersOf = new WeakMap<AbortSignal, Set<AbortListener>>();
type OnAbort = (reason: Error) => void;
export type AbortListener = { readonly onAbort: OnAbort };

export function joinSignals(sources: readonly AbortSignal[]): JoinedSignal {
  const controller = new AbortController();
  const abort: OnAbort = (reason) => controller.abort(reason);
  const stops = sources.map((source) => onAbort(source, abort));
  return {
    signal: controller.signal,
    abort,
    dispose: () => {
      for (const stop of stops) stop();
    },
  };
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

/** The promise, or the signal's reason if that comes first; what becomes of the promise is then handled elsewhere. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
