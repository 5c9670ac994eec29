// A reporter beside Node's own: what was skipped, listed after everything else. In CI that fails the run.

// eslint-disable-next-line import/no-default-export -- what --test-reporter takes
export default async function* notRun(source) {
  const skipped = [];
  for await (const { type, data } of source) {
    if (data?.skip === "test name does not match pattern") continue; // as whoever runs it wanted
    const isSkipped = (type === "test:pass" || type === "test:fail") && data.skip !== undefined && data.skip !== false;
    if (isSkipped) skipped.push(`${data.name}: ${data.skip === true ? "no reason was given" : data.skip}`);
  }
  if (skipped.length === 0) return;
  if (process.env.CI) process.exitCode = 1;
  yield `\n✖ ${skipped.length} tests could not run here${process.env.CI ? ", and in CI all must" : ""}:\n`;
  for (const one of skipped) yield `  ${one}\n`;
}
