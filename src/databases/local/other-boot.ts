/**
 * Watches those who wrote a file under another boot id. After a start of the host they are dead; but a sandbox may make
 * up a boot id of its own, and then they may live. No clock that somebody sets is asked: they are dead once none of
 * them gave a sign of life for as long as any may believe in its leases, as far as this process saw.
 */
export class OtherBoot {
  #signs = "";
  #sinceMs = 0;

  isSilent(signs: string, forMs: number, monoMs: number): boolean {
    if (signs !== this.#signs) {
      this.#signs = signs;
      this.#sinceMs = monoMs;
    }
    return monoMs - this.#sinceMs >= forMs;
  }
}
