// The house rules as functions from a file's path and text to what is wrong with it. See test/house-rules.test.ts.

import { posix } from "node:path";
import { codeOnly, functionSpans } from "./source-text.js";

export interface SourceFile {
  /** From the project's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export const limits = { fileLines: 250, functionLines: 60, columns: 120 } as const;

/** All findings of all rules, as "path:line: what is wrong". */
export function checkSource(file: SourceFile): string[] {
  const findings = [...checkSizes(file), ...checkMarks(file)];
  if (/\.(lua|sql)$/.test(file.path)) findings.push(...checkHeader(file));
  if (/\.(ts|mjs)$/.test(file.path)) findings.push(...checkCalls(file));
  if (file.path.endsWith(".ts")) findings.push(...checkImports(file));
  if (file.path.endsWith(".test.ts")) findings.push(...checkTestNames(file));
  return findings;
}

function checkSizes(file: SourceFile): string[] {
  const lines = file.text.replace(/\n$/, "").split("\n");
  const findings: string[] = [];
  if (lines.length > limits.fileLines) {
    findings.push(`${file.path}: ${lines.length} lines, at most ${limits.fileLines}`);
  }
  lines.forEach((line, index) => {
    const columns = [...line].length;
    if (columns > limits.columns) findings.push(at(file, index, `${columns} columns, at most ${limits.columns}`));
  });
  if (/\.(lua|sql)$/.test(file.path)) return findings;
  for (const span of functionSpans(file.text)) {
    const tooLong = `a function of ${span.lines} lines, at most ${limits.functionLines}`;
    if (span.lines > limits.functionLines) findings.push(at(file, span.firstLine - 1, tooLong));
  }
  return findings;
}

interface BannedCall {
  readonly pattern: RegExp;
  readonly why: string;
  readonly applies: (path: string) => boolean;
}

const isProduct = (path: string): boolean => /^(src|worker)\//.test(path);
const isRecipe = (path: string): boolean => path.startsWith("src/recipes/");
const isClock = (path: string): boolean => path === "src/clock.ts";
const isTest = (path: string): boolean => path.startsWith("test/") && !path.startsWith("test/support/");

const bannedCalls: readonly BannedCall[] = [
  {
    pattern: /\b(Date\.now|performance\.now|process\.hrtime)\b|\bnew Date\(\)/,
    why: "time is read from src/clock.ts alone, so that tests can move it",
    applies: (path) => isProduct(path) && !isClock(path),
  },
  {
    pattern: /\bMath\.random\b/,
    why: "chance comes from src/clock.ts or from a printed seed",
    applies: (path) => !isClock(path),
  },
  {
    pattern: /\bsetInterval\(\s*async\b/,
    why: "a slow turn would overlap the next; use one awaited loop",
    applies: () => true,
  },
  {
    pattern: /\.unref\(/,
    why: "what opens must close; hiding it from the event loop is no closing",
    applies: isProduct,
  },
  {
    pattern: /\b(test|it|describe|suite)\.(only|skip|todo)\(|\b(only|skip): true/,
    why: "a test that does not run proves nothing",
    applies: () => true,
  },
];

function checkCalls(file: SourceFile): string[] {
  const findings: string[] = [];
  const rawLines = file.text.split("\n");
  codeOnly(file.text)
    .split("\n")
    .forEach((code, index) => {
      for (const { pattern, why, applies } of bannedCalls) {
        const call = applies(file.path) && pattern.exec(code);
        if (call) findings.push(at(file, index, `${call[0]}: ${why}`));
      }
      const mayWait = [rawLines[index], rawLines[index - 1]].some((line) => /\/\/ waits: \S/.test(line ?? ""));
      if (isTest(file.path) && /\b(setTimeout|sleep|delay)\(/.test(code) && !mayWait) {
        findings.push(at(file, index, "a sleep in a test: wait for a condition, or say why in `// waits: reason`"));
      }
    });
  return findings;
}

function checkMarks(file: SourceFile): string[] {
  // Spelt with brackets, or this line would break its own rule.
  const marks = /\b(TO[D]O|FIX[M]E|XX[X]|HA[C]K)\b/;
  return file.text.split("\n").flatMap((line, index) => {
    const mark = marks.exec(line);
    return mark ? [at(file, index, `${mark[0]}: do it, or write it down where it is planned`)] : [];
  });
}

function checkImports(file: SourceFile): string[] {
  const findings: string[] = [];
  for (const { target, line } of importsOf(file)) {
    const wrong = wrongArrow(file.path, target);
    if (wrong) findings.push(at(file, line, `imports ${target}: ${wrong}`));
  }
  return findings;
}

/** Those that open them, and the public surface, which only passes their names on. */
const knowsBackends = new Set(["src/databases/open.ts", "src/databases/described.ts", "src/index.ts"]);

function wrongArrow(from: string, to: string): string | undefined {
  if (!isProduct(from)) return undefined;
  if (!isProduct(to)) return "what is published may not need what is not";
  if (isRecipe(from) && !isRecipe(to) && to !== "src/index") return "a recipe uses the public surface alone";
  if (!isRecipe(from) && isRecipe(to)) return "the core knows no recipe";
  const backend = /^src\/databases\/([^/]+)\//;
  const [fromBackend, toBackend] = [backend.exec(from)?.[1], backend.exec(to)?.[1]];
  if (from.startsWith("src/databases/") && /^src\/(locker|lease|session)\b/.test(to)) {
    return "a database does not know who uses it";
  }
  const isTiered = fromBackend === "tiers"; // which is made of two
  if (toBackend && toBackend !== fromBackend && !isTiered && !knowsBackends.has(from)) {
    return "only src/databases/open.ts and described.ts know the backends";
  }
  return undefined;
}

/** Relative imports, exports and import() calls, resolved to source paths without extension. */
function importsOf(file: SourceFile): { target: string; line: number }[] {
  const code = codeOnly(file.text);
  // Found in the text, kept only where the code has the word too: an import in a comment or a string is none.
  const pattern = /\b(?:from|import)\s*\(?\s*["'](\.{1,2}\/[^"']+)["']/g;
  return [...file.text.matchAll(pattern)]
    .filter((match) => /^(from|import)/.test(code.slice(match.index, match.index + 6)))
    .map((match) => ({
      target: posix.join(posix.dirname(file.path), match[1] ?? "").replace(/\.js$/, ""),
      line: file.text.slice(0, match.index).split("\n").length - 1,
    }));
}

function checkTestNames(file: SourceFile): string[] {
  const findings: string[] = [];
  const code = codeOnly(file.text);
  for (const match of file.text.matchAll(/\b(?:test|it|describe|suite)\(\s*(["'`])((?:(?!\1)[^\\]|\\.)*)\1/g)) {
    // The call in a string, a sample of a rule's test say, is none.
    if (code.charAt(match.index) === " ") continue;
    const line = file.text.slice(0, match.index).split("\n").length - 1;
    const name = match[2] ?? "";
    if (/\bshould\b/i.test(name)) findings.push(at(file, line, `"${name}": say what happens, not what should`));
  }
  return findings;
}

/** No verb, and so without arguments of its own. */
const noVerb = /\/(prelude\.lua|(prelude|holders|queue)\.sql)$/;

/** The comment lines at the top of a script must name what goes in and what comes out. */
function checkHeader(file: SourceFile): string[] {
  if (noVerb.test(file.path)) return [];
  const lines = file.text.split("\n");
  const end = lines.findIndex((line) => !line.startsWith("--"));
  const header = lines.slice(0, end < 0 ? lines.length : end).join("\n");
  const words = file.path.endsWith(".lua") ? ["KEYS", "ARGV", "Returns"] : ["Arguments", "Returns"];
  return words.filter((word) => !header.includes(word)).map((word) => at(file, 0, `the header does not say ${word}`));
}

function at(file: SourceFile, index: number, what: string): string {
  return `${file.path}:${index + 1}: ${what}`;
}
