// What is built on leases, on the public surface alone: the core knows none of it. Imported as "pulselock/recipes".

export { lead, observe } from "./leader.js";
export type { LeadOptions, ObserveOptions } from "./leader.js";
export { oncePerInterval } from "./once-per-interval.js";
export type { OncePerIntervalOptions } from "./once-per-interval.js";
export { runUnique } from "./unique-job.js";
export type { UniqueForm, UniqueJob, UniqueOptions, UniqueResult } from "./unique-job.js";
export { updateWithFallback } from "./update-with-fallback.js";
export type { Update, Updated, UpdateOptions, Versioned } from "./update-with-fallback.js";
