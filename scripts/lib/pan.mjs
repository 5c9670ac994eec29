// What a run of spin's verifier has proved. "errors: 0" alone says nothing: an aborted search prints it as well.

/**
 * @param {string} output everything that pan printed
 * @returns {{ verdict: "held" | "failed" | "void", why: string, states: number, depth: number, memoryMb: number }}
 *   held: every state was searched and no check failed; failed: a check failed, `why` says which;
 *   void: the search proves nothing, `why` says what stopped it.
 */
export function readPan(output) {
  const states = Number(/^\s*([\d.e+]+) states, stored/m.exec(output)?.[1] ?? 0);
  const depth = Number(/depth reached (\d+)/.exec(output)?.[1] ?? 0);
  const memoryMb = Math.round(Number(/([\d.]+)\s+total actual memory usage/.exec(output)?.[1] ?? 0));
  const is = (verdict, why) => ({ verdict, why, states, depth, memoryMb });
  const errors = /depth reached \d+, errors: (\d+)/.exec(output);
  const violation = /^pan:\d+: (.*)$/m.exec(output)?.[1];
  const isCheck = violation !== undefined && /^(assertion violated|invalid end state|acceptance cycle)/.test(violation);
  // A counterexample stands, whatever the search would have met later.
  if (isCheck && errors && Number(errors[1]) > 0) return is("failed", violation);
  const stopped = voids.find(({ pattern }) => pattern.test(output));
  if (stopped) return is("void", stopped.why);
  if (!errors) return is("void", "no summary: the run was ended from outside");
  if (Number(errors[1]) > 0) return is("void", violation ?? "an error that is no check of the model");
  if (states === 0) return is("void", "not one state was stored");
  if (/^Bit statespace|^Hash-Compact/m.test(output)) return is("held", "hash-compact: a search, no proof");
  return is("held", "");
}

const voids = [
  { pattern: /reached -DMEMLIM bound|out of memory/, why: "the memory limit was reached" },
  { pattern: /max search depth too small/, why: "the depth limit was reached" },
  { pattern: /Search not completed/, why: "the search was not completed" },
];
