// What `npm run chaos` does on stores that change servers: masters replaced by sentinels, Redis left and come back to.

import { tryFewSchedules } from "./few-schedules.js";

tryFewSchedules([
  { backend: "sentinel", lanes: [[4_226], [4_242]] }, // failovers, and others in which replicas must acknowledge
  { backend: "tiers", lanes: [[6_018], [6_026]] }, // both stores away, in turn and together; data of a while ago
]);
