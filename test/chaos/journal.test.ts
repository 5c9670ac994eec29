import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Journal, JournalReader } from "./journal.js";

test("a journal is read while it grows, and half a line of a killed writer is no line", () => {
  const directory = mkdtempSync(join(tmpdir(), "pulselock-journal-"));
  try {
    const path = join(directory, "p1.jsonl");
    const reader = new JournalReader(path);
    reader.read();
    assert.deepEqual(reader.events, []);
    const journal = new Journal(path, "p1.1");
    journal.add({ kind: "started" });
    reader.read();
    assert.deepEqual(
      reader.events.map(({ kind, process }) => [kind, process]),
      [["started", "p1.1"]],
    );
    appendFileSync(path, '{"atMs":5,"process":"p1.1","kind":"sta');
    reader.read();
    const successor = new Journal(path, "p1.2");
    successor.add({ kind: "started" });
    successor.add({ kind: "condemned", pid: 3, reason: "silent", silentMs: 900 });
    reader.read();
    assert.deepEqual(
      reader.events.map(({ process }) => process),
      ["p1.1", "p1.2"],
    );
    assert.deepEqual(
      reader.condemnations.map(({ pid }) => pid),
      [3],
    );
    journal.close();
    successor.close();
  } finally {
    rmSync(directory, { recursive: true });
  }
});
