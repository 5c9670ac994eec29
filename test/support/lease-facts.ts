/** What a record says of an exclusive lease that a job holds, beside whose it is. */
export const exclusive = { mode: "exclusive", units: 1, isKept: false } as const;
