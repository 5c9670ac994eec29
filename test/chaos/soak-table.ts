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
  /** What would have been violations, but for the state of the machine or what is not promised. */
  readonly excused: number;
  /** Faults that could not be brought about. */
  readonly missed: number;
  readonly starvedMs: number;
  readonly worstTakeoverMs: number;
};

const names = ["date", "commit", "backend", "first seed", "schedules", "faults", "missed", "grants", "violations"];
const columns = [...names, "excused", "starved", "worst takeover"];
const head = [columns, columns.map(() => "---")].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
const heading = "## Soak results";
const intro = `${heading}

One row a run of \`npm run soak\`; each schedule can be run again with \`npm run chaos -- --seed S --schedules 1\`,
where S counts on from the first seed. "Worst takeover" is the longest time in the trials that end each schedule:
from the SIGKILL or SIGSTOP of a holder to the grant of its key to one that waits for it. "Starved": how long the
machine let nobody run; "excused": what would have been a violation, had it not been for that or for what is not
promised.

${head}
`;

/** The text with the row at the end of the section's table; the section is added when there is none. */
export function withRow(text: string, row: SoakRow): string {
  const { date, commit, backend, firstSeed, schedules, faults, missed, grants, violations, excused } = row;
  const times = [`${(row.starvedMs / 1_000).toFixed(1)} s`, `${row.worstTakeoverMs} ms`];
  const of = [date, commit, backend, firstSeed, schedules, faults, missed, grants, violations, excused, ...times];
  const line = `| ${of.join(" | ")} |\n`;
  const complete = text.includes(`${heading}\n`) ? text : `${text.trimEnd()}\n\n${intro}`;
  const from = complete.indexOf(`${heading}\n`);
  const next = complete.indexOf("\n## ", from + heading.length);
  const end = next < 0 ? complete.length : next;
  const lastRow = complete.slice(from, end).lastIndexOf("\n|") + 1;
  const rowEnd = from + complete.slice(from, end).indexOf("\n", lastRow) + 1;
  return `${complete.slice(0, rowEnd)}${line}${complete.slice(rowEnd)}`;
}
