// Single commands, right and wrong, for the script that runs any one of them.

import { randomInteger, randomText } from "../../support/random-text.js";
import type { ScriptArgument } from "./sim-redis.js";

/** Where a number or a record belongs. None is a short time to live: nothing may expire while stores are compared. */
export const weird: readonly string[] = [
  ...["", "abc", "-1", "0", "1e3", "inf", "0x10", " 5 ", "1.5", "+7", "007", "-0", "1 x a.1 1 1 1 e t", "é🔒\n"],
  ...["9007199254740993", "9223372036854775807", "99999999999999999999", "-9223372036854775808"],
];

/** Every command that is simulated, in each of its forms and with too few or too many arguments. */
export function commandsOn(
  [key, other]: readonly [string, string],
  channel: string,
  random: () => number,
): ScriptArgument[][] {
  const odd = (): string => weird[randomInteger(random, weird.length - 1)]!;
  const text = (): string => (random() < 0.5 ? odd() : randomText(random, 5));
  const ttl = (): number => 60_000 * (1 + randomInteger(random, 4));
  const strings = [["GET", key], ["GET"], ["GET", key, other], ["SET", key, text()], ["SET", key]];
  const several = [["EXISTS", key, other, key], ["EXISTS"]];
  const expiries = [
    ...[
      ["SET", key, text(), "PX", ttl()],
      ["SET", key, text(), "PX", ttl(), "NX"],
      ["SET", key, "v", "PX", odd(), "nx"],
      ["SET", key, "v", "PX"],
      ["SET", key, "v", "px", odd()],
      ["PTTL", "p:none"],
    ],
    ...[["PEXPIRE", key, odd()], ["PEXPIRE", key], ["DEL", key, other], ["DEL"]],
  ];
  const hashes = [
    ...[
      ["HSET", key, "f", text()],
      ["HSET", key, "f"],
      ["HSET", key, "f", text(), "g"],
      ["hset", key, "f", 1, "f", 2],
    ],
    ...[["HGET", key, text()], ["HGET", key, "f"], ["HGET", key], ["HLEN", key], ["HGETALL", key], ["HLEN"]],
    ...[
      ["HDEL", key, "f"],
      ["HDEL", key, "v", text(), "v"],
      ["HDEL", key],
    ],
    ...[
      ["HMGET", key, "v", text(), "v"],
      ["HMGET", key],
    ],
  ];
  const channels = [
    ["PUBLISH", channel, text()],
    ["PUBLISH", key],
    ["PUBSUB", "NUMSUB", channel, key],
  ];
  const others = [["pubsub", "numsub"], ["PUBSUB"], ["TIME", "now"]];
  return [...strings, ...several, ...expiries, ...hashes, ...channels, ...others];
}
