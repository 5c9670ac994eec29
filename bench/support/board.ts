/** Values that are posted under a name and awaited by it, in either order. */
export class Board<T> {
  readonly #entries = new Map<string, { value: Promise<T>; post(value: T): void }>();

  /** The first value posted under a name stays. */
  post(name: string, value: T): void {
    this.#entry(name).post(value);
  }

  read(name: string): Promise<T> {
    return this.#entry(name).value;
  }

  #entry(name: string): { value: Promise<T>; post(value: T): void } {
    const known = this.#entries.get(name);
    if (known) return known;
    let post!: (value: T) => void;
    const value = new Promise<T>((resolve) => (post = resolve));
    const entry = { value, post };
    this.#entries.set(name, entry);
    return entry;
  }
}
