// Tokens of the stores on one host: most are the clock's, and need not be written to grow.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryRecords } from "../../src/databases/local/memory/memory-records.js";
import { takeBlock } from "../../src/databases/local/queue.js";
import { Step, type StoreFacts } from "../../src/databases/local/step.js";

/** A store whose clock stands still until it is moved. */
class Stage {
  readonly records = new MemoryRecords();
  readonly host = { boot: "one", us: 5_000_000, wallMs: 1_000_000, passesUs: 0 };
  writes = 0;
  #ids = 0;

  constructor() {
    const put = this.records.put.bind(this.records);
    this.records.put = (...row: Parameters<typeof put>) => {
      this.writes += 1;
      put(...row);
    };
  }

  /** A step that takes so many tokens. */
  take(tokens: number): [first: number, last: number] {
    const { host } = this;
    const facts: StoreFacts = {
      ...{ boot: host.boot, file: "", timeNamespace: "", isFresh: false, wallMs: () => host.wallMs },
      hostUs: () => (host.us += host.passesUs),
      freshId: () => String(++this.#ids),
      ...{ isSilent: () => true, isGone: () => false },
    };
    const step = new Step(this.records, facts);
    step.raiseRecovery(2_500);
    const block = takeBlock(step, tokens);
    step.saveFence();
    return block;
  }
}

test("tokens grow while the clock stands still, and while blocks are taken faster than it goes on", () => {
  for (const passesUs of [0, 1, 7]) {
    const stage = new Stage();
    stage.host.passesUs = passesUs;
    let last = 0;
    for (let i = 0; i < 300; i++) {
      const block = stage.take(1 + (i % 5) * 20);
      assert.ok(block[0] > last && block[1] >= block[0], `${block.join()} after ${last}`);
      last = block[1];
    }
  }
});

test("a token that the clock has passed is not written, but about once a second", () => {
  const stage = new Stage();
  stage.host.passesUs = 10;
  stage.take(1);
  const before = stage.writes;
  for (let i = 0; i < 10_000; i++) stage.take(1);
  assert.equal(stage.writes, before, "200 ms by this clock");
  stage.host.us += 2_000_000;
  stage.take(1);
  assert.equal(stage.writes, before + 1);
});

test("tokens grow through a start of the host that sets the wall clock back", () => {
  const stage = new Stage();
  stage.host.passesUs = 10;
  let last = 0;
  for (let i = 0; i < 1_000; i++) [, last] = stage.take(1);
  Object.assign(stage.host, { boot: "another", us: 1, wallMs: 1_000 });
  for (let i = 0; i < 10; i++) {
    const [first] = stage.take(1);
    assert.ok(first > last, `${first} after ${last}`);
    last = first;
  }
});

test("a row that an older build wrote, which knows no reserve, is read and kept", () => {
  const stage = new Stage();
  stage.take(1);
  const { reserve: _, ...row } = stage.records.get("namespace", "")!;
  stage.records.put("namespace", "", "", row, Infinity);
  stage.host.us += 50;
  const [token] = stage.take(1);
  assert.ok(token > row.fence);
  assert.ok(stage.records.get("namespace", "")!.reserve! >= token);
});
