// The TypeScript of a Markdown file as one module: a function for each block, so that their names do not collide.

export type Sample = {
  /** The heading above it. */
  readonly chapter: string;
  readonly code: string;
};

export function readSamples(markdown: string): Sample[] {
  const samples: Sample[] = [];
  let chapter = "";
  let code: string[] | undefined;
  for (const line of markdown.split("\n")) {
    if (code && line === "```") {
      samples.push({ chapter, code: code.join("\n") });
      code = undefined;
    } else if (code) code.push(line);
    else if (line === "```ts") code = [];
    else chapter = /^#+ (.*)$/.exec(line)?.[1] ?? chapter;
  }
  return samples;
}

const importPattern = /^import (type )?\{([^}]*)\} from "([^"]+)";$/gm;

/** `surroundings`: the names that samples take for granted, and the module that has them. */
export function toModule(samples: readonly Sample[], surroundings: { names: readonly string[]; path: string }): string {
  const imports = new Map<string, Set<string>>([[surroundings.path, new Set(surroundings.names)]]);
  const functions = samples.map(({ code }, at) => {
    for (const [, type = "", names = "", from = ""] of code.matchAll(importPattern)) {
      const known = imports.get(from) ?? new Set();
      for (const name of names.split(",")) known.add(`${type}${name.trim()}`);
      imports.set(from, known);
    }
    const body = code.replaceAll(importPattern, "").replaceAll(/^export /gm, "");
    return `export async function sample${at}(): Promise<void> {\n${body}\n}`;
  });
  const lines = [...imports].map(([from, names]) => `import { ${[...names].join(", ")} } from "${from}";`);
  return [...lines, ...functions].join("\n");
}
