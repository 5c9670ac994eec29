/**
 * AbortSignal.any with an end: on Node 20 and 22 a signal made by `any` stays registered with a long-lived source
 * for as long as that lives, so a locker that acquires for weeks would leak.
 */
export type JoinedSignal = { signal: AbortSignal; abort(reason: Error): void; dispose(): void };

/**
 * Those that joined a source. It gets one listener for all of them: Node warns of a leak when a signal has more than
 * ten.
 */
const membersOf = new WeakMap<AbortSignal, Set<AbortController>>();

export function joinSignals(sources: readonly AbortSignal[]): JoinedSignal {
  const controller = new AbortController();
  for (const source of sources) join(source, controller);
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    dispose: () => {
      for (const source of sources) leave(source, controller);
    },
  };
}

function join(source: AbortSignal, controller: AbortController): void {
  if (source.aborted) return controller.abort(source.reason);
  const members = membersOf.get(source);
  if (members) return void members.add(controller);
  membersOf.set(source, new Set([controller]));
  source.addEventListener("abort", onAbort, { once: true });
}

function leave(source: AbortSignal, controller: AbortController): void {
  const members = membersOf.get(source);
  if (!members?.delete(controller) || members.size > 0) return;
  membersOf.delete(source);
  source.removeEventListener("abort", onAbort);
}

function onAbort(event: Event): void {
  const source = event.target as AbortSignal;
  const members = membersOf.get(source) ?? [];
  membersOf.delete(source);
  for (const controller of members) controller.abort(source.reason);
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
