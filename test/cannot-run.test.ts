// What `npm test` says of a machine, or a clone, that lacks what some tests need.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { root } from "./support/consumer.js";

type Missing = { word: string; why: string; files: string[] };
type Need = { word: string; ensure: () => Promise<unknown> };

const run = promisify(execFile);
const git = (folder: string, ...args: string[]): Promise<unknown> =>
  run("git", ["-C", folder, "-c", "user.name=test", "-c", "user.email=test@localhost", ...args]);

let folder: string;
before(async () => void (folder = await mkdtemp(join(tmpdir(), "pulselock-history-"))));
after(() => rm(folder, { recursive: true, force: true }));

/** The scripts alone, in a folder of their own: what they look at is what is around them. */
async function copyScripts(name: string): Promise<string> {
  const clone = join(folder, name);
  await mkdir(join(clone, "scripts"), { recursive: true });
  await cp(join(root, "scripts", "lib"), join(clone, "scripts", "lib"), { recursive: true });
  return clone;
}

const scriptOf = (clone: string): string => pathToFileURL(join(clone, "scripts", "lib", "missing.mjs")).href;

async function findMissing(clone: string, files: string[], needs?: Need[]): Promise<Missing[]> {
  const module = (await import(scriptOf(clone))) as {
    findMissing(files: string[], needs?: Need[]): Promise<Missing[]>;
  };
  return module.findMissing(files, needs);
}

const deploys = [join("dist", "test", "deploy", "deploy.test.js")];

test("a shallow clone leaves the tests of a deploy out, and says how the history is to be had", async () => {
  const whole = await copyScripts("whole");
  await git(whole, "init", "--quiet");
  await git(whole, "add", ".");
  for (const message of ["first", "second"])
    await git(whole, "commit", "--quiet", "--allow-empty", "--message", message);
  await git(folder, "clone", "--quiet", "--depth", "1", pathToFileURL(whole).href, "shallow");
  const [shallow, ...others] = await findMissing(join(folder, "shallow"), [...deploys, "dist/test/locker.test.js"]);
  assert.match(shallow!.why, /^previous build: commit \w{7} is needed, and .* shallow: git fetch --unshallow$/);
  assert.deepEqual([shallow!.files, others], [deploys, []]);
  const [unknown] = await findMissing(whole, deploys);
  assert.match(unknown!.why, /this repository does not have it: git fetch$/);
  const history = join(whole, "scripts", "lib", "previous-build.mjs");
  const { findCommit } = (await import(pathToFileURL(history).href)) as { findCommit(name: string): Promise<string> };
  assert.match(await findCommit("HEAD~1"), /^[0-9a-f]{40}$/);
});

test("sources without a history leave them out, too", async () => {
  const [missing] = await findMissing(await copyScripts("no-clone"), deploys);
  assert.match(missing!.why, /this is no clone made by git$/);
});

test("what no chosen test needs is not looked for; an error that is none of a need is not hidden", async () => {
  let looked = 0;
  const ensure = (): Promise<never> => (looked++, Promise.reject(new TypeError("a mistake in the script")));
  assert.deepEqual(await findMissing(root, ["dist/test/locker.test.js"], [{ word: "postgres", ensure }]), []);
  assert.equal(looked, 0);
  await assert.rejects(findMissing(root, ["dist/test/postgres.test.js"], [{ word: "postgres", ensure }]), TypeError);
});
