// Payments of one account, one after the other in the order in which they came; the ledger refuses the write of a job
// that was overtaken, by its fencing token. `npm start payments`
import { Redis } from "ioredis";
import { DrainingSignal, Locker, LockError } from "../../src/index.js"; // "pulselock" in an application
import { say } from "./say.js";

const url = process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379";
await using locker = new Locker({ database: url });
const ledger = new Redis(url); // any store that can compare and write in one step will do

const BOOK = `
if tonumber(redis.call("HGET", KEYS[1], "token") or "0") > tonumber(ARGV[1]) then
  return redis.error_reply("a newer payment has been booked")
end
redis.call("HSET", KEYS[1], "token", ARGV[1])
return redis.call("HINCRBY", KEYS[1], "balance", ARGV[2])`;

async function pay(amount: number): Promise<void> {
  await locker.mutex("account/7", async (heartbeat, { fencingToken }) => {
    await heartbeat(); // before what cannot be undone: is the key still ours?
    const balance = await ledger.eval(BOOK, 1, "ledger:account/7", fencingToken, amount);
    say(`token ${fencingToken}: balance ${balance}`);
  });
}

for (let payment = 0; payment < 5; payment++) {
  await pay(10).catch((error: unknown) => {
    if (!(error instanceof LockError || error instanceof DrainingSignal)) throw error;
    say(`not paid: ${error.message}`); // nothing was booked: put it back into the inbox
  });
}
ledger.disconnect();
