// How many script runs the simulated store makes in a second of processor time, so that neighbours on a busy machine do
// not count: node dist/test/simulator/store/bench.js [runs]

import { SimRedis } from "./sim-redis.js";

const runs = Number(process.argv[2] ?? 200_000);
let nowUs = 1_800_000_000_000_000;
const redis = new SimRedis({ nowUs: () => nowUs, runId: "a".repeat(40) });
const head = ["era0000001", 2500];
const [ns, session] = ["pulselock:n", "pulselock:s:aaaaaaaaaaaaaaaaaaaaa.1"];
const fields = { ttl: 10_000, grace: 1500, interval: 500, drift: 94, channel: 1, host: "h", pid: 1, labels: "{}" };
const sessionId = "aaaaaaaaaaaaaaaaaaaaa.1";
const monoMs = (): number => Math.floor(nowUs / 1000) - 1_799_999_000_000;

redis.eval("begin", [ns, session], [...head, "new", "", monoMs(), 3_600_000, 0, ...Object.entries(fields).flat()]);
const era = "era0000001";
const ping = (): unknown => redis.eval("ping", [ns, session], [...head, era, monoMs(), 0, 3_600_000]);
for (let i = 0; i < 8; i++) {
  nowUs += 500_000;
  ping();
}

const verbs: Record<string, (i: number) => unknown> = {
  ping,
  acquire: (i) =>
    redis.eval(
      "acquire",
      [ns, session, `pulselock:l:${i % 50}`, `pulselock:q:${i % 50}`],
      [...head, 1, era, sessionId, sessionId.slice(0, -2), "", 0, `${i} 300000 x;1;0;;;`],
    ),
  renew: (i) =>
    redis.eval(
      "renew",
      [ns, session, `pulselock:l:${i % 50}`],
      [...head, 1, era, sessionId, sessionId.slice(0, -2), i, 5, 300_000],
    ),
  read: () => redis.eval("read-session", [session, session], ["pulselock:c:x", monoMs()]),
  release: (i) =>
    redis.eval(
      "release",
      [ns, session, `pulselock:l:${i % 50}`, `pulselock:q:${i % 50}`],
      [...head, 1, sessionId.slice(0, -2), `${i} 0`],
    ),
};
const names = Object.keys(verbs);
const measure = (label: string, one: (i: number) => unknown, count: number): void => {
  const before = process.cpuUsage();
  for (let i = 0; i < count; i++) {
    nowUs += 1_000;
    one(i);
  }
  const { user, system } = process.cpuUsage(before);
  const seconds = (user + system) / 1e6;
  console.log(`${label.padEnd(12)} ${Math.round(count / seconds)} runs per CPU second`);
};
const granted = JSON.stringify(verbs["acquire"]!(3));
if (!/\d{16} \d{13}/.test(granted)) throw new Error(`nothing to measure: ${granted}`);
const mixed = (i: number): unknown => verbs[names[i % names.length]!]!(Math.floor(i / names.length));
measure("warm-up", mixed, runs / 10);
for (const name of names) measure(name, verbs[name]!, runs / 10);
measure("mixed", mixed, runs);
