// What a run of a harness is made of, and what is written down of a failing one. Both harnesses read it; the shrinker
// makes it smaller.

/** One disturbance. What `kind`, `target` and `value` mean is the harness's word; times are from the run's start. */
export type Fault = {
  readonly atMs: number;
  readonly kind: string;
  /** Whom it hits: a process by its name, the store, the network of one process. */
  readonly target: string;
  /** 0: it happens at one moment and is over (a kill). */
  readonly durationMs: number;
  /** How strong: a delay in ms, a share of lost packets, a step of the clock. */
  readonly value?: number;
};

export type Scenario = {
  readonly processes: number;
  readonly keys: number;
  /** How long the faults and the work go on; the heal phase comes after. */
  readonly durationMs: number;
  readonly faults: readonly Fault[];
  /** From which every random choice of the run comes, where the harness can repeat it. */
  readonly seed?: number;
};
