import assert from "node:assert/strict";
import { test } from "node:test";
import { Stage } from "./oracle-stage.js";

test("grants that follow one another, each believed until the next, are sound", () => {
  const stage = new Stage();
  for (const token of [10, 20, 30]) {
    stage.grant(`locker${token}`, 1, token);
    stage.oracle.yes("p0", "key", token);
  }
  assert.deepEqual(stage.rules, []);
});

test("a yes after the next grant is false, and so is one for what was never granted", () => {
  const stage = new Stage();
  stage.grant("a", 1, 10);
  stage.grant("b", 1, 20);
  stage.oracle.yes("p0", "key", 10);
  stage.oracle.yes("p0", "key", 11);
  assert.deepEqual(stage.rules, ["S1", "S1"]);
});

test("in the instant of a grant nobody else may believe, whether it says so or not", () => {
  const stage = new Stage();
  const lease = { key: "key", fencingToken: 10, state: "held" as "held" | "unsure" };
  stage.held.push({ who: "p0", leaseId: "a#1", lease });
  stage.grant("a", 1, 10);
  assert.deepEqual(stage.rules, []);
  lease.state = "unsure";
  stage.grant("b", 1, 20);
  assert.deepEqual(stage.rules, []);
  lease.state = "held";
  stage.grant("c", 1, 30);
  assert.deepEqual(stage.rules, ["S1"]);
});

test("a token that does not grow is found, the same answer asked for again is none", () => {
  const stage = new Stage();
  stage.grant("a", 1, 10);
  stage.grant("a", 1, 10);
  assert.deepEqual(stage.rules, []);
  stage.grant("b", 1, 10);
  stage.grant("c", 1, 9.5);
  assert.deepEqual(stage.rules, ["S2", "S2"]);
});

test("a lease that is asked for again while it stands gets the token that it has", () => {
  const stage = new Stage();
  stage.grant("a", 1, 10);
  stage.grant("a", 1, 20, "1 x a.1 1 10 5 era0 trace of another era");
  stage.grant("a", 1, 25, "2 r a.1 1 20 5 era 1000 500 taken by force, and given to who waits");
  assert.deepEqual(stage.rules, []);
  stage.grant("a", 1, 30, "1 x a.2 1 20 5 era ");
  assert.deepEqual(stage.rules, ["S3"]);
});

test("a condemned session that begins again is found", () => {
  const stage = new Stage();
  stage.begin();
  stage.pass(2_000);
  stage.condemn("silent");
  stage.begin();
  assert.deepEqual(stage.rules, ["S4"]);
});

for (const [reason, limitMs] of [
  ["silent", 1_000],
  ["disconnected", 500],
] as const) {
  test(`a session found ${reason} may be condemned after its own limit and not before`, () => {
    const early = new Stage();
    early.begin();
    early.pass(limitMs - 150);
    early.condemn(reason);
    assert.deepEqual(early.rules, ["S4"]);
    const late = new Stage();
    late.begin();
    late.pass(limitMs);
    late.condemn(reason);
    assert.deepEqual(late.rules, []);
  });
}

test("a ping counts as a sign of life, and a condemned session gives none", () => {
  const stage = new Stage();
  stage.begin();
  stage.pass(900);
  stage.ping("alive");
  stage.pass(200);
  stage.condemn("silent");
  stage.ping("alive");
  assert.deepEqual(stage.rules, ["S4", "S4"]);
});

test("a proof of death counts against a dead process alone", () => {
  const stage = new Stage();
  stage.begin();
  stage.condemn("proof");
  stage.isAlive = false;
  stage.condemn("proof");
  assert.deepEqual(stage.rules, ["S4"]);
});

test("where only the store has trouble no living session is condemned and no lease lost", () => {
  const stage = new Stage(true);
  stage.begin();
  stage.pass(5_000);
  stage.condemn("silent");
  const lease = { wasBelieved: true, leaseId: "a#1" };
  stage.oracle.lost("p0", "key", "taken-over", lease);
  stage.oracle.lost("p0", "key", "unreachable", lease);
  stage.oracle.lost("p0", "key", "store-lost-data", { ...lease, wasBelieved: false }); // it was about to end
  assert.deepEqual(stage.rules, ["S4", "L4"]);
});

test("a client that asks without a pause is found", () => {
  const stage = new Stage();
  for (let i = 0; i < 400; i++) stage.ping("condemned");
  assert.deepEqual(stage.rules, ["L5"]);
});
