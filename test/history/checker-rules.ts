// What a harness demands of a history. What is left out is not judged: a harness that knows no bound sets none.

import type { FaultSpan } from "./history-index.js";

export type FinalHolder = { readonly key: string; readonly token: number; readonly session?: string };
export type FinalValue = { readonly key: string; readonly fenced: boolean; readonly value: number };

export type CheckerRules = {
  /** Does a fault of this target hit that process? Default: its own name, "store", "all", its runs ("p1.2" of "p1"). */
  readonly hits?: (target: string, process: string) => boolean;
  /** How long what a fault has caused may outlast it, and its stamp may lag behind it, ms. */
  readonly aftermathMs?: number;
  /** May this fault cost a lease of a process that it hits? Default: any may. "20 % loss for 10 s" says no. */
  readonly excusesLoss?: (fault: FaultSpan) => boolean;
  /** S4, L4: a loss is judged by the faults around it. Needs aftermathMs. */
  readonly judgesLosses?: boolean;
  /** S5: what the store still holds when all have come to rest. */
  readonly finalHolders?: readonly FinalHolder[];
  /** The guarded resource at the end. */
  readonly finalValues?: readonly FinalValue[];
  /** L1: from the death of a holder, or the end of what hinders a contender, to the next grant. */
  readonly takeoverMs?: number;
  /** L3: from a conflicting grant to the loser's notice. */
  readonly noticeMs?: number;
  /** L5: when the last fault was over; from then on every key that is asked for is granted within `healMs`. */
  readonly healedAtMs?: number;
  readonly healMs?: number;
  /** From when to when no acquire may fail. Default: from healedAtMs + healMs to the end. */
  readonly calmFromMs?: number;
  readonly calmUntilMs?: number;
  readonly closeMs?: number;
  /** Q1: who had waited for so long before another process asked has its turn before it. */
  readonly orderMs?: number;
};
