import { OptionError } from "../errors.js";
import { checkDuration } from "../options.js";

/** Longer than anybody with the default limits may go on without asking (1 300), and two pings. */
export const DEFAULT_RECOVERY_MS = 2_500;
/** Every locker that meets it keeps it: one far too long would stop all grants after each restart. */
const RECOVERY_MS_MAX = 3_600_000;

export function checkRecoveryMs(recoveryMs: number): void {
  checkDuration("recoveryMs", recoveryMs, 1);
  if (recoveryMs > RECOVERY_MS_MAX)
    throw new OptionError("recoveryMs", recoveryMs, `must be at most ${RECOVERY_MS_MAX}`);
}
