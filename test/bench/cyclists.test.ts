import assert from "node:assert/strict";
import { test } from "node:test";
import { Cyclists } from "../../bench/support/cyclists.js";
import { NoPeersError } from "../../bench/support/question.js";
import { startRedis } from "../support/redis-server.js";
import { waitUntil } from "../support/wait.js";

test("where a peer is not installed, those that were opened beside it are closed", async () => {
  await using server = await startRedis();
  const peers = {
    module: (name: string): string => {
      throw new NoPeersError(name);
    },
  };
  await assert.rejects(Cyclists.open(server.url, { peers, smoke: true }), NoPeersError);
  const clients = async (): Promise<number> =>
    String(await server.client().client("LIST"))
      .trim()
      .split("\n").length;
  await waitUntil(clients, 1, { deadlineMs: 5_000, what: "our own connection alone" });
});
