/** A line with the time, so that those of several pods can be put in order. */
export function say(text: string): void {
  process.stdout.write(`${new Date().toISOString().slice(11, 23)} ${text}\n`);
}
