/**
 * Every key and channel name, made in one place and handed to the scripts whole: a name that Lua builds would lack the
 * prefix of the user's client, and a session looked up without its prefix looks dead.
 */
export class RedisKeys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  get namespace(): string {
    return `${this.#prefix}n`;
  }
  lease(key: string): string {
    return `${this.#prefix}l:${key}`;
  }
  /** Who waits for the key. */
  queue(key: string): string {
    return `${this.#prefix}q:${key}`;
  }
  /** What the task that holds this lease waits for. */
  blocked(leaseId: string): string {
    return `${this.#prefix}b:${leaseId}`;
  }
  session(sessionId: string): string {
    return `${this.#prefix}s:${sessionId}`;
  }
  /** Where a session's worker listens. Its number of subscribers tells peers whether the connection is there. */
  channel(sessionId: string): string {
    return `${this.#prefix}c:${sessionId}`;
  }
  /** Where a locker's main thread hears that it was granted what it waits for. */
  grants(lockerId: string): string {
    return `${this.#prefix}g:${lockerId}`;
  }
}
