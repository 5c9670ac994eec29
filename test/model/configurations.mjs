// The runs of `npm run model`: worlds in which everything must hold, and mutants, each of which must fail in its world.

const one = ["ATT0=1", "ATT1=1"];
const death = [...one, "DEATHS0=1"];
const loss = [...one, "IDS1=1", "LOSS"];
const snapshot = [...loss, "SNAP"];
const restart = [...loss, "RESTART"];

/** `quick`: also part of `--quick`. `search: "hash-compact"`: too many states for an exhaustive search: no proof. */
export const configurations = [
  { name: "one attempt each, two sessions each", switches: one, quick: true },
  { name: "a connection dies", switches: death, quick: true },
  { name: "2 × 2 attempts", switches: ["IDS1=1"] },
  { name: "2 + 1 attempts, a connection dies", switches: ["ATT1=1", "IDS1=1", "DEATHS0=1"] },
  { name: "both connections die", switches: [...death, "DEATHS1=1"] },
  { name: "scripts forgotten, a connection dies", switches: [...death, "FLUSH"] },
  { name: "the lock TTL ends", switches: [...one, "EXPIRY"] },
  { name: "a stuck main thread says goodbye", switches: [...one, "PARK"] },
  { name: "two pings in flight", switches: [...one, "IDS1=1", "TWOPINGS"] },
  { name: "total loss", switches: loss },
  { name: "an old snapshot", switches: snapshot },
  { name: "total loss, a connection dies", switches: [...loss, "DEATHS0=1"], search: "hash-compact" },
  { name: "total loss, two pings in flight", switches: [...loss, "TWOPINGS"], search: "hash-compact" },
  { name: "total loss, the worker restarts", switches: restart, search: "hash-compact" },
];

/** `in`: the world in which the protection is missed. */
export const mutants = [
  { name: "no trust margin", switch: "M_NOMARGIN", in: one, quick: true },
  { name: "a yes without trust", switch: "M_NOTRUST", in: one, quick: true },
  { name: "the reply of a verification is a yes", switch: "M_REPLYISYES", in: one, quick: true },
  { name: "takeover compares the token only", switch: "M_TOKENONLY", in: one, quick: true },
  { name: "re-own without compare-and-swap", switch: "M_REOWNANY", in: one, quick: true },
  { name: "old answer counted after a change", switch: "M_LATE", in: one, quick: true },
  { name: "no cancel", switch: "M_NOCANCEL", in: one, quick: true },
  { name: "no generation", switch: "M_NOGEN", in: death, quick: true },
  { name: "a release overtakes what is under way", switch: "M_NOWAIT", in: [...one, "FLUSH"], quick: true },
  { name: "release without owner check", switch: "M_RELEASEANY", in: ["ATT1=1", "IDS1=1", "DEATHS0=1"], quick: true },
  { name: "re-assertion after the lease's deadline", switch: "M_REASSERTEXPIRED", in: [...loss, "EXPIRY"] },
  { name: "token from a plain counter", switch: "M_COUNTER", in: loss, quick: true },
  { name: "no recovery window", switch: "M_NOWINDOW", in: loss, quick: true },
  { name: "a ping creates a record", switch: "M_PINGCREATES", in: loss, quick: true },
  { name: "acquire without era", switch: "M_NOERA", in: loss },
  { name: "re-assertion after the window", switch: "M_REASSERTLATE", in: loss },
  { name: "a lapsed session enters as a trusted one", switch: "M_LAPSED", in: loss, quick: true },
  { name: "a provisional session is trusted", switch: "M_PROVTRUSTED", in: loss },
  { name: "a condemned provisional session re-owns", switch: "M_NOREFUSED", in: loss },
  { name: "no tombstones in the window", switch: "M_NOTOMBSTONES", in: loss },
  { name: "takeover across eras", switch: "M_TAKEERA", in: loss },
  { name: "run id compared by the worker only", switch: "M_CLIENTRUN", in: snapshot },
  { name: "leases of an older era count", switch: "M_OLDLEASES", in: snapshot, quick: true },
  { name: "a resumed worker believes the cells", switch: "M_RESUMETRUST", in: restart, reverse: true },
];
