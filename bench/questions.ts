// All questions, in the order in which they are asked.

import { blocked } from "./blocked.js";
import { connections } from "./connections.js";
import { cycles } from "./cycles.js";
import { drain } from "./drain.js";
import { firstAcquire } from "./first-acquire.js";
import { handOffs } from "./hand-offs.js";
import { heartbeat } from "./heartbeat.js";
import { idleCommands } from "./idle-commands.js";
import { idlePings } from "./idle-pings.js";
import { importCost } from "./import-cost.js";
import { localHandOffs } from "./local-hand-offs.js";
import { lockBytes } from "./lock-bytes.js";
import { longDeadOwner } from "./long-dead-owner.js";
import { lossNotice } from "./loss-notice.js";
import { oneHost } from "./one-host.js";
import { philosophers } from "./philosophers.js";
import { profile } from "./profile.js";
import { redisCpu } from "./redis-cpu.js";
import type { Question } from "./support/question.js";
import { takeoverAfterKill } from "./takeover-after-kill.js";
import { tenThousand } from "./ten-thousand.js";
import { turns } from "./turns.js";

export const questions: readonly Question[] = [
  cycles,
  tenThousand,
  redisCpu,
  profile,
  heartbeat,
  lockBytes,
  firstAcquire,
  importCost,
  idlePings,
  takeoverAfterKill,
  longDeadOwner,
  drain,
  lossNotice,
  oneHost,
  philosophers,
  handOffs,
  turns,
  localHandOffs,
  idleCommands,
  connections,
  blocked,
];
