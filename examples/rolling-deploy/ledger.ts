// The resource that the jobs write to. It lives in the parent process and knows nothing of locks: it remembers the
// largest fencing token it has seen for each job and refuses every smaller one.
export type LedgerEntry = { job: string; run: string; token: number; accepted: boolean };

export type LedgerWrite = { job: string; run: string; token: number };

export class Ledger {
  /** Every write in the order in which it arrived: one thread, one order, no clocks. */
  readonly entries: LedgerEntry[] = [];
  #largestTokens = new Map<string, number>();

  write({ job, run, token }: LedgerWrite): { accepted: boolean } {
    const accepted = token >= (this.#largestTokens.get(job) ?? 0);
    if (accepted) this.#largestTokens.set(job, token);
    this.entries.push({ job, run, token, accepted });
    return { accepted };
  }
}
