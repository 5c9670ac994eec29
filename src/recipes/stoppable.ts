import type { Heartbeat, Lease } from "../index.js";

/**
 * The same lease, whose job is also told to stop when the signal aborts: its heartbeat rejects with the signal's
 * reason, and its own signal aborts with it. The lease itself stays until it is released.
 */
export function stoppable(lease: Lease, stop: AbortSignal | undefined): { lease: Lease } & Disposable {
  if (!stop) return { lease, [Symbol.dispose]: () => undefined };
  const job = new AbortController();
  const onStop = (): void => job.abort(stop.reason);
  const onLoss = (): void => job.abort(lease.signal.reason);
  const wrapped: Lease = {
    key: lease.key,
    fencingToken: lease.fencingToken,
    heartbeat: stoppableHeartbeat(lease.heartbeat, stop),
    assertHeld: () => lease.assertHeld(),
    get state() {
      return lease.state;
    },
    signal: job.signal,
    release: () => lease.release(),
    [Symbol.asyncDispose]: () => lease.release(),
  };
  stop.addEventListener("abort", onStop);
  lease.signal.addEventListener("abort", onLoss);
  if (stop.aborted) onStop();
  else if (lease.signal.aborted) onLoss();
  return {
    lease: wrapped,
    [Symbol.dispose]: () => {
      stop.removeEventListener("abort", onStop);
      lease.signal.removeEventListener("abort", onLoss);
    },
  };
}

function stoppableHeartbeat(heartbeat: Heartbeat, stop: AbortSignal): Heartbeat {
  const beat = async (): Promise<void> => {
    stop.throwIfAborted();
    await heartbeat();
  };
  return Object.assign(beat, {
    delay: (ms: number) => unlessStopped(heartbeat.delay(ms), stop),
    during: <T>(promise: PromiseLike<T>) => heartbeat.during(promise),
  });
}

/** What becomes of the promise after a stop is nobody's affair. */
function unlessStopped<T>(promise: Promise<T>, stop: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onStop = (): void => reject(stop.reason as Error);
    if (stop.aborted) onStop();
    stop.addEventListener("abort", onStop, { once: true });
    promise.then(resolve, reject).finally(() => stop.removeEventListener("abort", onStop));
  });
}
