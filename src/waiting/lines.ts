import type { Acquired, AcquisitionDeps, Wanted } from "../attempt.js";
import { Line, type Asker } from "./line.js";

/**
 * Everybody of this process who waits. Those who want a key for themselves alone stand in one line, which has one place
 * in the store's queue; of others, each is a line of its own.
 */
export class Lines {
  readonly #asker: Asker;
  readonly #deps: AcquisitionDeps;
  readonly #lines = new Map<string, Line>();

  constructor(asker: Asker, deps: AcquisitionDeps) {
    this.#asker = asker;
    this.#deps = deps;
  }

  wait(wanted: Wanted): Promise<Acquired> {
    if (wanted.mode !== "exclusive" || wanted.minHoldMs > 0) return this.#open(wanted, () => {}).wait(wanted);
    const name = `${wanted.lockTtlMs} ${wanted.key}`;
    let line = this.#lines.get(name);
    if (!line) {
      line = this.#open(wanted, () => this.#lines.delete(name));
      this.#lines.set(name, line);
    }
    return line.wait(wanted);
  }

  #open(wanted: Wanted, onIdle: () => void): Line {
    return new Line(wanted, this.#asker, this.#deps, onIdle);
  }
}
