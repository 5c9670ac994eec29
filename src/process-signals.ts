/**
 * The opt-in `drainOn`: on one of these signals drain and close, then end as that signal would have ended the process.
 */
export class ProcessSignals {
  readonly #signals: readonly NodeJS.Signals[];
  readonly #listener: (signal: NodeJS.Signals) => void;
  #listens = false;

  constructor(signals: readonly NodeJS.Signals[], end: (signal: string) => Promise<void>) {
    this.#signals = signals;
    this.#listener = (signal) => {
      void end(signal).finally(() => {
        this.ignore();
        // With another listener the application ends itself; without one nothing else would.
        if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
      });
    };
  }

  listen(): void {
    if (this.#listens) return;
    this.#listens = true;
    for (const signal of this.#signals) process.on(signal, this.#listener);
  }

  ignore(): void {
    this.#listens = false;
    for (const signal of this.#signals) process.off(signal, this.#listener);
  }
}
