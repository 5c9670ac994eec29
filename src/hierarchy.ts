import type { KeyAndMode } from "./many-keys.js";

/** What to hold of a path, in the order in which to acquire it: all that lies above it shared, then the path itself. */
export function withAncestors(path: string, mode: KeyAndMode["mode"]): KeyAndMode[] {
  const names = path.split("/");
  const above = names.slice(1).map((_name, i) => names.slice(0, i + 1).join("/"));
  return [...above.map((key): KeyAndMode => ({ key, mode: "shared" })), { key: path, mode }];
}
