// Strings that a careless format would trip over, from a seeded generator.

const pieces = [
  ..." \t\n\r\0:.{}[]()%*?\\\"'/|$&;~^-_+,x0123456789",
  ...[
    "é",
    "ß",
    "中文",
    "🔒",
    "👩‍👩‍👧",
    "\u00a0",
    "\u2028",
    "\ufeff",
    "\u0301",
    "%s",
    "%d",
    "\\u0000",
    "1 x a.1 2 3 4 e t",
    "abc",
  ],
];

/** Well-formed, of up to `length` pieces; empty ones are among them. */
export function randomText(random: () => number, length: number): string {
  const count = Math.floor(random() * (length + 1));
  return Array.from({ length: count }, () => pieces[Math.floor(random() * pieces.length)]).join("");
}

/** The same, never empty. */
export function randomKey(random: () => number, length: number): string {
  return randomText(random, length) || "key";
}

export function randomInteger(random: () => number, most: number): number {
  return Math.floor(random() * (most + 1));
}
