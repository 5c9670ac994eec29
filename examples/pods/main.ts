// One of the small examples, by its name, in three processes: on the Redis that REDIS_URL names, or on one of its own.
import { startRedis } from "../../test/support/redis-server.js";
import { EXAMPLES, runPods, type Example } from "./fleet.js";

const example = process.argv[2] as Example;
if (!EXAMPLES.includes(example)) {
  console.error(`✖ no such example; there are ${EXAMPLES.join(", ")}`);
  process.exit(1);
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(130));

const server = process.env["REDIS_URL"] ? undefined : await startRedis();
try {
  const url = server?.url ?? process.env["REDIS_URL"]!;
  await runPods(example, { url, pods: 3, onLine: (pod, line) => console.log(`${pod} ${line}`) });
} finally {
  await server?.[Symbol.asyncDispose]();
}
