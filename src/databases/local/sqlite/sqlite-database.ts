import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { hostClockUs } from "../../../clock.js";
import { OptionError } from "../../../errors.js";
import { proveProcess, readHostProofs } from "../../../host-facts.js";
import { check, checkDuration, checkNames } from "../../../options.js";
import type {
  Database,
  DatabaseDescription,
  LeaseStore,
  LivenessConnection,
  LivenessEvents,
  StoreContext,
} from "../../database.js";
import { checkRecoveryMs, DEFAULT_RECOVERY_MS } from "../../recovery-ms.js";
import type { DoorDeps } from "../door.js";
import { OtherBoot } from "../other-boot.js";
import { LocalLeases } from "../local-leases.js";
import { LocalLiveness } from "../local-liveness.js";
import { loadDriver } from "./driver.js";
import { SqliteConnection, type FileSettings, type HostPart } from "./sqlite-connection.js";
import type { SqliteRole } from "./sqlite-file.js";

export type SqliteDatabaseSettings = {
  /**
   * How long nothing is granted after the file was deleted or replaced, and when a new one is first used, ms. Default
   * 2 500. After the host was started anew there is no such pause.
   */
  recoveryMs?: number;
  /** An operation that another process's lock on the file keeps from beginning for so long fails, ms. Default 2 000. */
  lockTimeoutMs?: number;
  /** Use a file on a file system that other hosts may use as well, when none of them does. Default false. */
  allowNetworkFile?: boolean;
};

const KNOWN_SETTINGS = new Set(["recoveryMs", "lockTimeoutMs", "allowNetworkFile"]);

/** A file that the processes of one host share. */
export class SqliteDatabase implements Database {
  readonly recoveryMs: number;
  readonly #file: FileSettings;
  readonly #settings: SqliteDatabaseSettings;
  readonly #otherBoot = new OtherBoot();
  readonly #process = { pid: process.pid, proofs: readHostProofs() };

  /** `path`: of the file, which is made when there is none; its folder is, when that in which it lies is there. */
  constructor(path: string, settings: SqliteDatabaseSettings = {}) {
    check(typeof path === "string" && path !== "", "database", path, "must be the path of a file");
    check(!path.includes("\0") && path !== ":memory:", "database", path, "must be the path of a file");
    checkNames(settings, KNOWN_SETTINGS);
    const { recoveryMs = DEFAULT_RECOVERY_MS, lockTimeoutMs = 2_000, allowNetworkFile = false } = settings;
    checkRecoveryMs(recoveryMs);
    checkDuration("lockTimeoutMs", lockTimeoutMs, 1);
    check(typeof allowNetworkFile === "boolean", "allowNetworkFile", allowNetworkFile, "must be true or false");
    loadDriver();
    this.recoveryMs = recoveryMs;
    this.#settings = settings;
    this.#file = { path: resolve(path), lockTimeoutMs, allowNetworkFile };
  }

  /** `sqlite:relative.db`, `sqlite:/absolute.db` or `sqlite:///absolute.db`; escapes as in any URL. */
  static fromUrl(url: string): SqliteDatabase {
    const rule = "must be sqlite: and the path of a file";
    const rest = url.slice("sqlite:".length);
    if (/[?#]/.test(rest)) throw new OptionError("database", url, `${rule}, with ? and # written as %3f and %23`);
    try {
      if (rest.startsWith("//")) return new SqliteDatabase(fileURLToPath(`file:${rest}`));
      return new SqliteDatabase(decodeURIComponent(rest));
    } catch (cause) {
      if (cause instanceof OptionError) throw cause;
      throw new OptionError("database", url, rule);
    }
  }

  get path(): string {
    return this.#file.path;
  }

  openLeases(context: StoreContext): LeaseStore {
    return new LocalLeases(this.#deps("leases"), context);
  }

  openLiveness(context: StoreContext, events: LivenessEvents): LivenessConnection {
    return new LocalLiveness(this.#deps("liveness"), context, events);
  }

  describe(): DatabaseDescription {
    return { type: "sqlite", path: this.#file.path, settings: { ...this.#settings } };
  }

  disposeImported(): void {}

  #deps(role: SqliteRole): DoorDeps {
    const { proofs } = this.#process;
    const host: HostPart = {
      boot: proofs.bootId,
      timeNamespace: proofs.timeNamespace,
      isSilent: (signs, forMs) => this.#otherBoot.isSilent(signs, forMs, hostClockUs() / 1_000),
      isGone: (other) => proveProcess(other, proofs) === "dead",
    };
    return {
      open: (clock, events) => new SqliteConnection(this.#file, role, host, clock, events),
      process: this.#process,
    };
  }
}
