// An authority of a test's own, and what it has signed for 127.0.0.1: made by openssl, gone with the test.

import { execFile } from "node:child_process";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];

/** Paths of files, and what is in them. */
export type Signed = {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
};

export interface Authority extends AsyncDisposable {
  readonly caFile: string;
  readonly ca: string;
  /** A certificate for that address. */
  sign(name: string, address?: string): Promise<Signed>;
}

export async function makeAuthority(): Promise<Authority> {
  const folder = await mkdtemp(join(tmpdir(), "pulselock-authority-"));
  await chmod(folder, 0o755); // PostgreSQL runs as somebody else
  const file = (name: string): string => join(folder, name);
  const [caFile, caKey] = [file("ca.pem"), file("ca.key")];
  await run("openssl", ["req", "-x509", "-subj", "/CN=pulselock test", ...ec, "-keyout", caKey, "-out", caFile]);
  const sign = async (name: string, address = "127.0.0.1"): Promise<Signed> => {
    const [certFile, keyFile] = [file(`${name}.pem`), file(`${name}.key`)];
    const names = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=IP:${address}`];
    const leaf = ["-addext", "basicConstraints=critical,CA:FALSE"];
    const by = ["-CA", caFile, "-CAkey", caKey];
    await run("openssl", ["req", "-x509", ...names, ...leaf, ...by, ...ec, "-keyout", keyFile, "-out", certFile]);
    const [cert, key] = await Promise.all([readFile(certFile, "utf8"), readFile(keyFile, "utf8")]);
    return { certFile, keyFile, cert, key };
  };
  const dispose = (): Promise<void> => rm(folder, { recursive: true, force: true });
  return { caFile, ca: await readFile(caFile, "utf8"), sign, [Symbol.asyncDispose]: dispose };
}
