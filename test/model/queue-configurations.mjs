// The runs of queue.pml: see configurations.mjs. Three lockers; sets of them are numbers: 1, 2, 4.

const leave = ["ABORTS=7"];
const death = [...leave, "BREAKS=1"];
const lapse = [...leave, "LAPSES=1"];
const kill = ["KILLS=1"];
const expiry = ["EXPIRY"];
const calm = ["CALM"];

const queueWorlds = [
  { name: "queue: everybody may give up", switches: leave, quick: true },
  { name: "queue: a connection dies", switches: death, quick: true },
  { name: "queue: all connections die", switches: [...leave, "BREAKS=7"] },
  { name: "queue: two are killed, everybody stalls", switches: [...leave, "KILLS=3", "STALLS=7"], quick: true },
  { name: "queue: a session is condemned", switches: lapse, quick: true },
  { name: "queue: a session is condemned, everybody stalls", switches: [...lapse, "STALLS=7"] },
  { name: "queue: two sessions are condemned", switches: [...leave, "LAPSES=3"] },
  { name: "queue: a second attempt, a connection dies", switches: [...death, "ATT0=2"] },
  { name: "queue: the lock TTL ends, a session is condemned", switches: [...lapse, ...expiry] },
  { name: "queue: two of each process wait", switches: ["HEIRS", "LAPSES=1", "KILLS=2"], quick: true },
  { name: "queue: two of each process wait, everybody stalls", switches: ["HEIRS", "LAPSES=1", "KILLS=2", "STALLS=7"] },
  { name: "queue: a session, a connection, a process end", switches: ["LAPSES=1", "BREAKS=1", "KILLS=2"] },
  { name: "queue: one asks without waiting", switches: ["TRIES=1", "BREAKS=1", "ATT0=2"] },
  { name: "queue: one asks without waiting, all may fail", switches: ["TRIES=1", ...expiry, "LAPSES=2", "KILLS=4"] },
  { name: "queue: no stuck state: one does not wait", switches: [...calm, "TRIES=1", "KILLS=2", "STALLS=7", "ATT0=2"] },
  { name: "queue: no stuck state", switches: [...calm, ...kill], quick: true },
  { name: "queue: no stuck state: two are killed", switches: [...calm, ...leave, "KILLS=3", "STALLS=7"] },
  { name: "queue: no stuck state: a connection dies", switches: [...calm, ...death, "STALLS=7"] },
  { name: "queue: no stuck state: a session is condemned", switches: [...calm, ...lapse, "STALLS=7"] },
  { name: "queue: no stuck state: the lock TTL ends", switches: [...calm, ...expiry, "HEIRS", "KILLS=3", "STALLS=7"] },
];

const queueMutants = [
  { name: "an unfit waiter is granted the key", switch: "M_UNFIT", in: ["STALLS=7"] },
  { name: "who asks passes those who wait", switch: "M_JUMP", in: expiry },
  { name: "stuck: no poll, and a push is lost", switch: "M_NOPOLL", in: calm },
  { name: "stuck: no hand-off, polls only refresh", switch: "M_NOHANDON", in: [...calm, "M_REFRESHONLY"] },
  { name: "stuck: the first does not watch the holder", switch: "M_NOWATCH", in: [...calm, ...kill] },
  { name: "who gives up does not pass its grant on", switch: "M_LEAVEONLY", in: leave },
  { name: "who gives up keeps its entry", switch: "M_LEAVEKEEPS", in: leave },
  { name: "who gives up says so once", switch: "M_LEAVEONCE", in: ["ABORTS=1", "BREAKS=1"] },
  { name: "no generation in the queue", switch: "M_NOGEN", in: ["ABORTS=1", "BREAKS=1"] },
  { name: "a push counts for another lease number", switch: "M_GHOST", in: [...leave, "ATT0=2"] },
  { name: "a push counts without stamp", switch: "M_PUSHSTAMP", in: ["LAPSES=1"] },
  { name: "a push beside an answer counts as the newer one", switch: "M_BESIDE", in: expiry },
  { name: "a push counts however long ago it was asked for", switch: "M_OLDPUSH", in: expiry },
  { name: "the key is taken from whoever holds it", switch: "M_REPLACEANY", in: ["LAPSES=1"] },
  { name: "a dead waiter's entry goes, whoever's it is now", switch: "M_DROPANY", in: ["LAPSES=1", "STALLS=7"] },
  { name: "handed on inside without trust", switch: "M_HEIRANY", in: ["HEIRS", "LAPSES=1"] },
  { name: "witness: a push is a grant", switch: "W_PUSH", in: [] },
  { name: "witness: a push beside an answer is a grant", switch: "W_BESIDE", in: [] },
  { name: "witness: a poll finds what a push lost", switch: "W_FOUND", in: [] },
  { name: "witness: who finds the holder dead lets others first", switch: "W_TAKEN", in: [...kill, "STALLS=7"] },
];

const ofQueue = (run) => ({ ...run, model: "queue" });

export const configurations = queueWorlds.map(ofQueue);
export const mutants = queueMutants.map((run) => ofQueue({ ...run, quick: true }));
