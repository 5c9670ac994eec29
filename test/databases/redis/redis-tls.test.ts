// TLS from both threads to a server that speaks it, to sentinels and to a cluster; and what is said when it fails.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { createServer, type ConnectionOptions, type Server, type TLSSocket } from "node:tls";
import { Locker, OptionError, RedisDatabase, type RedisSource } from "../../../src/index.js";
import { makeAuthority, type Authority, type Signed } from "../../support/certificates.js";
import { fastLimits, fastSettings, findBusy, newKey, newPrefix, spawnLocker, take } from "../../support/lockers.js";
import { freePort } from "../../support/ports.js";
import { startCluster } from "../../support/redis-cluster.js";
import { startRedis, type RedisServer } from "../../support/redis-server.js";
import { startSentinels } from "../../support/redis-sentinels.js";

let authority: Authority;
let other: Authority;
let server: Signed;
let client: Signed;
let redis: RedisServer;
let url: string;

before(async () => {
  [authority, other] = await Promise.all([makeAuthority(), makeAuthority()]);
  [server, client] = await Promise.all([authority.sign("server"), authority.sign("client")]);
  [redis, url] = await startSecure("no");
});

after(async () => {
  await redis[Symbol.asyncDispose]();
  await authority[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
});

/** With a plain port for the harness beside the one that speaks TLS. */
async function startSecure(clients: "yes" | "no"): Promise<[RedisServer, string]> {
  const port = await freePort();
  const files = ["--tls-ca-cert-file", authority.caFile, "--tls-cert-file", server.certFile];
  const extraArgs = ["--tls-port", String(port), ...files, "--tls-key-file", server.keyFile];
  const started = await startRedis({ extraArgs: [...extraArgs, "--tls-auth-clients", clients] });
  return [started, `rediss://127.0.0.1:${port}`];
}

function open(source: RedisSource, tls?: ConnectionOptions, prefix = newPrefix()): Locker {
  const database = new RedisDatabase(source, { ...fastSettings, prefix, ...(tls && { tls }) });
  return new Locker({ database, ...fastLimits, acquireTimeoutMs: 20_000 });
}

/** Grant, contention, pings, hand-off. */
async function live(source: RedisSource, tls?: ConnectionOptions): Promise<void> {
  const prefix = newPrefix();
  await using locker = open(source, tls, prefix);
  await using second = open(source, tls, prefix);
  const lease = await take(locker, newKey());
  await findBusy(second, lease.key);
  const waits = take(second, lease.key, { waitMs: 20_000 });
  await lease.heartbeat.delay(1_000); // waits: for pings, and twice the trust of one
  await lease.release();
  await (await waits).release();
}

async function assertDenied(source: RedisSource, tls: ConnectionOptions | undefined, message: RegExp): Promise<void> {
  await using locker = open(source, tls);
  await assert.rejects(locker.acquire("key"), { name: "StoreError", code: "denied", message });
}

test("a rediss URL and the authority's certificate are all that a locker needs", async () => {
  await live(url, { ca: authority.ca });
});

test("an authority may be given as bytes, and in the options of ioredis", async () => {
  await live(url, { ca: Buffer.from(authority.ca) });
  const { hostname: host, port } = new URL(url);
  await live({ host, port: Number(port), tls: { ca: authority.ca } });
});

test("NODE_EXTRA_CA_CERTS is enough for a URL alone", async () => {
  const env = { NODE_EXTRA_CA_CERTS: authority.caFile };
  await using child = await spawnLocker(url, newPrefix(), {}, { env });
  await child.request("acquire", "key");
  await child.request("heartbeat", "key");
  await child.request("release", "key");
});

test("a certificate of an unknown authority, or for another host, is said to be that", async () => {
  await assertDenied(url, undefined, /certificate is not trusted: is tls\.ca/);
  await assertDenied(url, { ca: other.ca }, /certificate is not trusted: is tls\.ca/);
  await assertDenied(url, { ca: authority.ca, servername: "elsewhere" }, /is it for this host\?.*altnames/);
});

test("a server that asks for a certificate is given it, and one who has none is told so", async () => {
  const [strict, strictUrl] = await startSecure("yes");
  await using _ = strict;
  const { cert, key } = client;
  await live(strictUrl, { ca: authority.ca, cert, key });
  await assertDenied(strictUrl, { ca: authority.ca }, /asks for a certificate of ours/);
});

test("options of TLS where none is spoken are an OptionError", () => {
  for (const [source, tls] of [
    ["redis://127.0.0.1", { ca: "x" }],
    ["rediss://127.0.0.1", "ca"],
  ] as const) {
    const make = (): RedisDatabase => new RedisDatabase(source, { tls: tls as object });
    assert.throws(make, (error) => error instanceof OptionError && error.option === "tls");
  }
  const withFunction = new RedisDatabase(url, { tls: { checkServerIdentity: () => undefined } });
  assert.throws(() => withFunction.describe(), OptionError);
});

/** Doors that speak TLS before servers that do not. */
class Doors implements AsyncDisposable {
  readonly #servers: Server[] = [];
  readonly #open = new Set<TLSSocket>();

  async before(port: number): Promise<{ host: string; port: number }> {
    const door = createServer({ cert: server.cert, key: server.key }, (socket) => {
      const behind = connect(port, "127.0.0.1");
      this.#open.add(socket);
      for (const one of [socket, behind]) {
        one.on("error", () => undefined); // its end is what counts
        one.once("close", () => (socket.destroy(), behind.destroy(), this.#open.delete(socket)));
      }
      socket.pipe(behind).pipe(socket);
    });
    this.#servers.push(door);
    await new Promise<void>((listens) => door.listen(0, "127.0.0.1", listens));
    return { host: "127.0.0.1", port: (door.address() as AddressInfo).port };
  }

  /** By the address that is asked for. */
  async map(ports: readonly number[]): Promise<Record<string, { host: string; port: number }>> {
    const entries = ports.map(async (port) => [`127.0.0.1:${port}`, await this.before(port)] as const);
    return Object.fromEntries(await Promise.all(entries));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await Promise.all(this.#servers.map((door) => new Promise((closed) => door.close(closed))));
  }
}

test("sentinels and the master that they name are spoken to in TLS, each by the same options", async () => {
  await using group = await startSentinels({ replicas: 1 });
  await using doors = new Doors();
  const natMap = await doors.map(group.servers.map(({ port }) => port));
  const sentinels = await Promise.all(group.sentinels.map(({ port }) => doors.before(port)));
  const secure = { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true };
  const source = { ...group.source, sentinels, natMap, ...secure };
  await live(source, { ca: authority.ca });
  await assertDenied(source, { ca: other.ca }, /certificate is not trusted/);
});

test("each node of a cluster is spoken to in TLS", async () => {
  await using cluster = await startCluster();
  await using doors = new Doors();
  const natMap = await doors.map(cluster.nodes.map(({ port }) => port));
  const source = { nodes: Object.values(natMap), redisOptions: { tls: {} }, natMap };
  await live(source, { ca: authority.ca });
  await assertDenied(source, { ca: other.ca }, /certificate is not trusted/);
});
