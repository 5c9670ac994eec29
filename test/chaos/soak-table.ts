// The table of results in test/faults/README.md. Only its own section is touched.

export type SoakRow = {
  readonly date: string;
  readonly commit: string;
  readonly backend: string;
  readonly firstSeed: number;
  readonly schedules: number;
  readonly faults: number;
  readonly grants: number;
  readonly violations: number;
  readonly worstTakeoverMs: number;
};

const heading = "## Soak results";
const intro = `${heading}

One row a run of \`npm run soak\`; each schedule can be run again with \`npm run chaos -- --seed S --schedules 1\`,
where S counts on from the first seed. "Worst takeover" is the longest time from a SIGKILL of a holder, or the first
acquire of its key after that, to the next grant of the key, other faults going on meanwhile.

| date | commit | backend | first seed | schedules | faults | grants | violations | worst takeover |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
`;

/** The text with the row at the end of the section's table; the section is added when there is none. */
export function withRow(text: string, row: SoakRow): string {
  const { date, commit, backend, firstSeed, schedules, faults, grants, violations, worstTakeoverMs } = row;
  const cells = [date, commit, backend, firstSeed, schedules, faults, grants, violations, `${worstTakeoverMs} ms`];
  const line = `| ${cells.join(" | ")} |\n`;
  const complete = text.includes(`${heading}\n`) ? text : `${text.trimEnd()}\n\n${intro}`;
  const from = complete.indexOf(`${heading}\n`);
  const next = complete.indexOf("\n## ", from + heading.length);
  const end = next < 0 ? complete.length : next;
  const section = complete.slice(from, end).trimEnd();
  return `${complete.slice(0, from)}${section}\n${line}${complete.slice(end)}`;
}
