// A port that was given out stays its owner's while nothing listens on it.

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { freePort } from "./ports.js";

test("a port given out is kept while nobody listens on it: who looks for one elsewhere meets the mark", async () => {
  const port = await freePort();
  const other = createSocket("udp4").bind({ port, address: "127.0.0.1", exclusive: true });
  const [error] = (await once(other, "error")) as [NodeJS.ErrnoException];
  other.close();
  assert.equal(error.code, "EADDRINUSE");
});

test("one process is never given the same port twice among those that it keeps", async () => {
  const given = await Promise.all(Array.from({ length: 200 }, () => freePort()));
  assert.equal(new Set(given).size, given.length);
});
