// Just enough reading of TypeScript for the house rules: what is code and what is text, and where functions begin and
// end. No parser: the compiler has none to offer to programs, and prettier's layout makes one unnecessary.

export interface FunctionSpan {
  /** Counted from 1. */
  readonly firstLine: number;
  readonly lines: number;
}

/**
 * The same text with the inside of strings, templates, regular expressions and comments replaced by spaces, line for
 * line. Code inside `${…}` stays, since it runs.
 */
export function codeOnly(source: string): string {
  const scanner = { source, out: "", at: 0 };
  scanCode(scanner, false);
  return scanner.out;
}

/**
 * Functions with a body in braces, by indentation: prettier puts the closing brace under the first line of what it
 * closes. Blocks of describe() and suite() are only brackets around tests and do not count.
 */
export function functionSpans(source: string): FunctionSpan[] {
  const lines = codeOnly(source).split("\n");
  const spans: FunctionSpan[] = [];
  lines.forEach((line, index) => {
    if (!opensFunction(line)) return;
    const indent = indentOf(line);
    const first = firstLineOf(lines, index, indent);
    if (/^\s*(describe|suite)\(/.test(lines[first] ?? "") || isControlFlow(lines[first] ?? "")) return;
    const length = lines.slice(index + 1).findIndex((other) => indentOf(other) === indent && /^\s*\}/.test(other));
    if (length >= 0) spans.push({ firstLine: first + 1, lines: index - first + length + 2 });
  });
  return spans;
}

interface Scanner {
  readonly source: string;
  out: string;
  at: number;
}

/** Copies code until the end, or, inside a template, until the brace that closes it. */
function scanCode(scanner: Scanner, insideTemplate: boolean): void {
  let depth = 0;
  while (scanner.at < scanner.source.length) {
    const rest = scanner.source.slice(scanner.at, scanner.at + 2);
    const char = rest.charAt(0);
    if (rest === "//") blankUntil(scanner, /\n|$/g, false);
    else if (rest === "/*") blankUntil(scanner, /\*\//g, true);
    else if (char === '"' || char === "'") blankMatch(scanner, /(["'])(?:\\[^]|(?!\1)[^\\\n])*\1?/y);
    else if (char === "`") scanTemplate(scanner);
    else if (char === "/" && startsRegExp(scanner.out)) {
      blankMatch(scanner, /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/?[a-z]*/y);
    } else {
      if (char === "{") depth++;
      if (char === "}" && depth-- === 0 && insideTemplate) return;
      copy(scanner, 1);
    }
  }
}

function scanTemplate(scanner: Scanner): void {
  copy(scanner, 1);
  while (scanner.at < scanner.source.length) {
    const rest = scanner.source.slice(scanner.at, scanner.at + 2);
    if (rest.charAt(0) === "`") return copy(scanner, 1);
    if (rest === "${") {
      copy(scanner, 2);
      scanCode(scanner, true);
      copy(scanner, 1);
    } else blank(scanner, rest.charAt(0) === "\\" ? 2 : 1);
  }
}

/** After a value a slash divides, anywhere else it begins a regular expression. */
function startsRegExp(before: string): boolean {
  const code = before.trimEnd();
  return !/[\w$)\]}"'`]$/.test(code) || /\b(return|typeof|case|in|of|await|yield)$/.test(code);
}

function blankUntil(scanner: Scanner, end: RegExp, withEnd: boolean): void {
  end.lastIndex = scanner.at + 1;
  const match = end.exec(scanner.source);
  const stop = match ? match.index + (withEnd ? match[0].length : 0) : scanner.source.length;
  blank(scanner, stop - scanner.at);
}

/** The quotes stay, so that what follows still sees a value. */
function blankMatch(scanner: Scanner, pattern: RegExp): void {
  pattern.lastIndex = scanner.at;
  const length = pattern.exec(scanner.source)?.[0].length ?? 1;
  if (length < 2) return copy(scanner, 1);
  scanner.out += '"';
  scanner.at++;
  blank(scanner, length - 2);
  scanner.out += '"';
  scanner.at++;
}

function blank(scanner: Scanner, length: number): void {
  scanner.out += scanner.source.slice(scanner.at, scanner.at + length).replace(/[^\n]/g, " ");
  scanner.at += length;
}

function copy(scanner: Scanner, length: number): void {
  scanner.out += scanner.source.slice(scanner.at, scanner.at + length);
  scanner.at += length;
}

function opensFunction(line: string): boolean {
  return /(=>|\)(?:: .+)?|\bfunction\b.*) \{$/.test(line.trimEnd()) && !isControlFlow(line);
}

function isControlFlow(line: string): boolean {
  return /^\s*(\} )?(if|else|for|while|switch|catch|do|try|finally|with|class|interface|type|case|default)\b/.test(
    line,
  );
}

/** A signature over several lines ends with `) {` under its first line. */
function firstLineOf(lines: readonly string[], last: number, indent: number): number {
  if (!/^\s*[)\]}]/.test(lines[last] ?? "")) return last;
  const above = lines.slice(0, last);
  return above.findLastIndex((line) => line.trim() !== "" && indentOf(line) === indent && !/^\s*[)\]}]/.test(line));
}

function indentOf(line: string): number {
  return /^ */.exec(line)?.[0].length ?? 0;
}
