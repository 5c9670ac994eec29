/** What every name in the simulated store begins with. */
export const PREFIX = "p:";
