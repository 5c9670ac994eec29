// The runs of `npm run model`: worlds in which everything must hold, and mutants, each of which must fail in its world.

const one = ["ATT0=1", "ATT1=1"];
const single = [...one, "IDS0=1", "IDS1=1"];
const death = [...one, "DEATHS0=1"];
const twice = ["IDS0=1", "IDS1=1", "DEATHS0=1"];
const loss = [...one, "IDS1=1", "LOSS"];
const lossSingle = [...single, "LOSS"];
const snapshot = [...loss, "SNAP"];
const lived = [...lossSingle, "LIVED"];
const restart = [...loss, "RESTART"];
const lateBegin = [...lossSingle, "LATEBEGIN"];
const calm = [...one, "CALM"];
const calmLoss = [...lossSingle, "CALM"];

/**
 * `quick`: also part of `--quick`. `search: "hash-compact"`: not yet searched in full to the end: no proof.
 * CALM: faults may cease at any moment, and from then on every run must end, and end well.
 */
export const configurations = [
  { name: "one attempt each, two sessions each", switches: one, quick: true },
  { name: "a connection dies", switches: death, quick: true },
  { name: "both connections die", switches: [...death, "DEATHS1=1"] },
  { name: "2 × 2 attempts, two sessions and one", switches: ["IDS1=1"] },
  { name: "2 × 2 attempts, a connection dies, one session each", switches: twice },
  { name: "2 + 1 attempts, a connection dies", switches: ["ATT1=1", "IDS1=1", "DEATHS0=1"] },
  { name: "scripts forgotten, a connection dies", switches: [...death, "FLUSH"] },
  { name: "the lock TTL ends", switches: [...one, "EXPIRY"] },
  { name: "a stuck main thread says goodbye", switches: [...one, "PARK"] },
  { name: "a tombstone ages out", switches: [...one, "COLLECT"], quick: true },
  { name: "two pings in flight", switches: [...one, "IDS1=1", "TWOPINGS"] },
  { name: "total loss, one session each", switches: lossSingle },
  { name: "an old snapshot, one session each", switches: [...lossSingle, "SNAP"] },
  { name: "total loss, a begin comes late, one session each", switches: lateBegin },
  { name: "total loss, a connection dies, one session each", switches: [...lossSingle, "DEATHS0=1"] },
  { name: "total loss, two sessions and one", switches: loss },
  { name: "an old snapshot, two sessions and one", switches: snapshot },
  { name: "an old snapshot, a begin comes late", switches: [...lateBegin, "SNAP"], search: "hash-compact" },
  { name: "total loss, who condemned is gone, one session each", switches: lived },
  { name: "total loss, who condemned is gone, two sessions and one", switches: [...loss, "LIVED"] },
  { name: "no stuck state", switches: calm, quick: true },
  { name: "no stuck state: a client is killed", switches: [...calm, "KILL"], quick: true },
  { name: "no stuck state: a connection dies", switches: [...calm, "DEATHS0=1"] },
  { name: "no stuck state: a stuck main thread said goodbye", switches: [...calm, "PARK"] },
  { name: "no stuck state: total loss, one session each", switches: calmLoss },
];

/** `in`: the world in which the protection is missed. `order`: a search in another order meets this error sooner. */
export const mutants = [
  { name: "no trust margin", switch: "M_NOMARGIN", in: one, quick: true },
  { name: "a yes without trust", switch: "M_NOTRUST", in: one, quick: true },
  { name: "the reply of a verification is a yes", switch: "M_REPLYISYES", in: one, quick: true },
  { name: "a yes after the release", switch: "M_YESAFTERRELEASE", in: one, quick: true },
  { name: "takeover compares the token only", switch: "M_TOKENONLY", in: one, quick: true },
  { name: "re-own without compare-and-swap", switch: "M_REOWNANY", in: one, quick: true },
  { name: "old answer counted after a change", switch: "M_LATE", in: one, quick: true },
  { name: "no cancel", switch: "M_NOCANCEL", in: one, quick: true },
  { name: "no generation", switch: "M_NOGEN", in: death, quick: true },
  { name: "an unanswered release is not repeated", switch: "M_RELEASEONCE", in: death, quick: true },
  { name: "a release overtakes what is under way", switch: "M_NOWAIT", in: [...one, "FLUSH"], quick: true },
  { name: "release without owner check", switch: "M_RELEASEANY", in: ["ATT1=1", "IDS1=1", "DEATHS0=1"], quick: true },
  { name: "re-assertion after the lease's deadline", switch: "M_REASSERTEXPIRED", in: [...loss, "EXPIRY"] },
  { name: "token from a plain counter", switch: "M_COUNTER", in: loss, quick: true },
  { name: "no recovery window", switch: "M_NOWINDOW", in: loss, quick: true },
  { name: "a ping creates a record", switch: "M_PINGCREATES", in: [...one, "COLLECT"], quick: true },
  { name: "acquire without era", switch: "M_NOERA", in: loss },
  { name: "re-assertion after the window", switch: "M_REASSERTLATE", in: loss },
  { name: "a lapsed session enters as a trusted one", switch: "M_LAPSED", in: loss, quick: true },
  { name: "a provisional session is trusted", switch: "M_PROVTRUSTED", in: loss },
  { name: "a condemned provisional session re-owns", switch: "M_NOREFUSED", in: loss },
  { name: "no tombstones in the window", switch: "M_NOTOMBSTONES", in: loss },
  { name: "who is outlived comes back", switch: "M_NOTOUTLIVED", in: lived, quick: true },
  { name: "takeover across eras", switch: "M_TAKEERA", in: loss },
  { name: "condemned while the window is open", switch: "M_CONDEMNINWINDOW", in: snapshot, quick: true },
  { name: "run id compared by the worker only", switch: "M_CLIENTRUN", in: snapshot },
  { name: "leases of an older era count", switch: "M_OLDLEASES", in: snapshot, quick: true },
  { name: "alive in an era it never entered: trusted", switch: "M_STRAY", in: lateBegin, order: "REVERSE" },
  { name: "a late begin makes a provisional one trusted", switch: "M_STRAYPROV", in: lateBegin },
  { name: "a resumed worker believes the cells", switch: "M_RESUMETRUST", in: restart, order: "T_REVERSE" },
  { name: "a resumed session is no provisional one", switch: "M_RESUMEMODE", in: restart },
  { name: "stuck: a dead holder is never replaced", switch: "M_NOTAKE", in: [...calm, "KILL"], quick: true },
  { name: "stuck: no session follows a condemned one", switch: "M_NOSUCCEED", in: calm, quick: true },
  { name: "stuck: the window never closes", switch: "M_NOCLOSE", in: calmLoss, quick: true },
  { name: "stuck: a lease is never released", switch: "M_NORELEASE", in: calm, quick: true },
  { name: "witness: in the calm, a release hands the key to who waits", switch: "W_HANDOFF", in: calm, quick: true },
];
