// A mutant: the locker with one rule broken. Something must catch each, or the rule is only a sentence.

export type Mutant = {
  /** Also the name of the model's variant, where the model has one. */
  name: string;
  /** An invariant or requirement of DESIGN.md, and where the rule is written down. */
  rule: string;
  file: string;
  /** Text that stands in that file exactly once, so that a mutant cannot rot unseen. */
  find: string;
  replace: string;
  /** Test files that catch it, by the part of their path after test/ and without ".test.ts". */
  caughtBy: readonly string[];
  /**
   * A rule of the protocol between processes, which the simulator and chaos are to find broken as well. The others are
   * matters of one process, of pure reckoning, or of what a simulated store does not do.
   */
  protocol?: true;
  /** Its rule is that something ends, so that a run which has to be cut off has caught it. */
  isAboutEnding?: true;
  /** The switch of the protocol model (test/model) that breaks the same rule, without its "M_". */
  model?: string;
};

/** Rules whose code belongs to a later part of the project, so that nothing can be mutated yet. */
export const laterMutants: readonly { name: string; why: string }[] = [];
