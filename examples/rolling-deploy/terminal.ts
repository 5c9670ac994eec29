// Plain lines, coloured where a terminal wants colour.
import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

const coloured = process.stdout.isTTY === true && !process.env["NO_COLOR"];

export function paint(style: Style, text: string): string {
  return coloured ? styleText(style, text) : text;
}

export function print(line = ""): void {
  process.stdout.write(`${line}\n`);
}

/** Whole ms where they are many, a decimal where they are few. */
export function formatMs(ms: number): string {
  if (!Number.isFinite(ms)) return "never";
  return Math.abs(ms) < 100 ? ms.toFixed(1) : Math.round(ms).toString();
}
