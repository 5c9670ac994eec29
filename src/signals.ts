/**
 * AbortSignal.any with an end: on Node 20 and 22 a signal made by `any` stays registered with a long-lived source for as long as
 * that lives, so a locker that acquires for weeks would leak.
 */
export type JoinedSignal = { signal: AbortSignal; abort(reason: Error): void; dispose(): void };

export function joinSignals(sources: readonly AbortSignal[]): JoinedSignal {
  const controller = new AbortController();
  const onAbort = (event: Event) => controller.abort((event.target as AbortSignal).reason);
  for (const source of sources) {
    if (source.aborted) controller.abort(source.reason);
    else source.addEventListener("abort", onAbort, { once: true });
  }
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    dispose: () => {
      for (const source of sources) source.removeEventListener("abort", onAbort);
    },
  };
}
