import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { userInfo } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { defaultDatabaseUrl } from "../../src/databases/default-database.js";
import { Locker, OptionError, type LockerOptions } from "../../src/index.js";

const file = join(userInfo().homedir, ".pulselock", "locks.db");

test("what the environment names is taken: PULSELOCK_URL first, then REDIS_URL; an empty one names nothing", () => {
  const both = { PULSELOCK_URL: "memory:", REDIS_URL: "redis://127.0.0.1" };
  assert.equal(defaultDatabaseUrl(both), "memory:");
  assert.equal(defaultDatabaseUrl({ REDIS_URL: "redis://127.0.0.1" }), "redis://127.0.0.1");
  assert.equal(defaultDatabaseUrl({ ...both, PULSELOCK_URL: "" }), "redis://127.0.0.1");
});

test("else it is a file in the user's home, wherever HOME points, and that is said once", async () => {
  const program = `
    import { Locker } from ${JSON.stringify(new URL("../../src/index.js", import.meta.url).href)};
    import { defaultDatabaseUrl } from ${JSON.stringify(
      new URL("../../src/databases/default-database.js", import.meta.url).href,
    )};
    new Locker();
    new Locker({});
    console.log(defaultDatabaseUrl());`;
  const env = { ...process.env, HOME: "/nowhere", PULSELOCK_URL: "", REDIS_URL: "" };
  const args = ["--input-type=module", "-e", program];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { env });
  assert.equal(stdout, `sqlite:${encodeURI(file)}\n`);
  assert.equal(stderr.match(/PULSELOCK_ONE_HOST/g)?.length, 1);
  assert.match(stderr, /the processes of this user on this host only/);
});

test("a database that is given and undefined is a mistake, and not taken for none", () => {
  const options = { database: process.env["NO_SUCH_NAME"] } as unknown as LockerOptions;
  assert.throws(() => new Locker(options), OptionError);
});
