import assert from "node:assert/strict";
import test from "node:test";
import { Redis } from "ioredis";
import { parseRedisUrl } from "../../../src/databases/redis/redis-url.js";
import { mulberry32, seed } from "../../support/wait.js";

const defaults = new Redis({ lazyConnect: true }).options;

/** What ioredis makes of it; a lazy client opens nothing. */
function asIoredis(url: string): object {
  return new Redis(url, { lazyConnect: true }).options;
}

function assertAlike(url: string): void {
  assert.deepEqual({ ...defaults, ...parseRedisUrl(url) }, asIoredis(url), url);
}

test("a URL is read as ioredis reads it", () => {
  const hosts = ["localhost", "10.0.0.1:7000", "[::1]:7000", "[fe80::1]"];
  const whole = [
    "redis://",
    "rediss://u:p@h:1/2?family=6&keyPrefix=a%3A",
    "/tmp/a.sock?db=2",
    "unix:///tmp/a.sock",
    "7000",
  ];
  const odd = [
    "redis://:p%40ss@h",
    "redis://u@h",
    "redis://h/",
    "redis://h?db=3",
    "redis://h/1?db=3",
    "//u:p@h:1/4",
    "h:1?db=2",
  ];
  for (const url of [...hosts.map((host) => `redis://${host}`), ...hosts, ...whole, ...odd]) assertAlike(url);
});

test("a URL put together by chance is read as ioredis reads it", () => {
  const random = mulberry32(seed());
  const one = (...parts: string[]): string => parts[Math.floor(random() * parts.length)]!;
  for (let i = 0; i < 500; i += 1) {
    const scheme = one("redis://", "rediss://", "REDIS://", "Rediss://", "unix://", "//", "/", "");
    const user = one("", "", "u@", ":p@", "u:p@", "u%20v:p%2Fq@");
    const host = one("h", "a.b.c", "[::1]", "127.0.0.1") + one("", ":1", ":65535");
    const path = one("", "/", "/0", "/15", "/a/b");
    const query = one(
      "",
      "?",
      "?db=4",
      "?family=4",
      "?family=x",
      "?tls=1&password=q",
      "?host=z&port=9",
      "?keyPrefix=k%3A",
    );
    assertAlike(scheme + user + host + path + query);
  }
});
