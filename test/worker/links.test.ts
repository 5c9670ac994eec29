import assert from "node:assert/strict";
import test from "node:test";
import { Links, type Link } from "../../worker/links.js";
import { FakeClock } from "../support/fake-clock.js";
import { ScriptedConnection } from "../support/scripted-liveness.js";

const PATIENCE = 500;

function open({ opensByItself = true } = {}) {
  const clock = new FakeClock();
  const connections: ScriptedConnection[] = [];
  const ups: Link[] = [];
  const breaks: string[] = [];
  let pushes = 0;
  const links = new Links(
    (events) => {
      const connection = new ScriptedConnection(events, opensByItself, true);
      connections.push(connection);
      return connection;
    },
    clock,
    {
      onUp: (link) => void ups.push(link),
      onPush: () => (pushes += 1),
      onBreak: (cause) => void breaks.push(cause.message),
    },
  );
  links.keep(0);
  return { clock, connections, links, ups, breaks, pushes: () => pushes };
}

/** As the pinger does: the link owes an answer from now on. */
function ask(clock: FakeClock, link: Link | undefined): void {
  if (link) link.owedSinceMs = clock.monoMs();
}

test("the first connection is opened at once and told when it is up; until then it owes its opening", async () => {
  const { clock, connections, links, ups } = open({ opensByItself: false });
  assert.equal(connections.length, 1);
  assert.deepEqual([links.all[0]?.isUp, links.all[0]?.owedSinceMs], [false, clock.monoMs()]);
  connections[0]?.comeUp();
  await clock.settle();
  assert.deepEqual(ups, links.all);
  assert.deepEqual([links.all[0]?.isUp, links.all[0]?.owedSinceMs], [true, undefined]);
});

test("a connection that owes nothing is kept, however long it is quiet", async () => {
  const { clock, connections, links } = open();
  await clock.advance(60_000);
  links.keep(PATIENCE);
  assert.equal(connections.length, 1);
});

test("a second one is opened once the first has owed an answer for all the patience, and never a third", async () => {
  const { clock, connections, links } = open();
  await clock.settle();
  ask(clock, links.all[0]);
  await clock.advance(PATIENCE - 1);
  links.keep(PATIENCE);
  assert.equal(connections.length, 1);
  await clock.advance(1);
  links.keep(PATIENCE);
  links.keep(PATIENCE);
  assert.equal(connections.length, 2);
});

test("one that takes too long to open gets a second beside it", async () => {
  const { clock, connections, links } = open({ opensByItself: false });
  await clock.advance(PATIENCE);
  links.keep(PATIENCE);
  assert.equal(connections.length, 2);
});

test("the one that is chosen stays, the other is closed and has not broken", async () => {
  const { clock, connections, links, breaks } = open();
  await clock.settle();
  ask(clock, links.all[0]);
  await clock.advance(PATIENCE);
  links.keep(PATIENCE);
  await clock.settle();
  const second = links.all[1];
  assert.ok(second);
  links.choose(second);
  assert.deepEqual(links.all, [second]);
  assert.deepEqual(
    connections.map(({ isClosed }) => isClosed),
    [true, false],
  );
  connections[0]?.break(); // what the network says of it later is of no interest
  await clock.settle();
  assert.deepEqual(breaks, []);
  assert.deepEqual(links.all, [second]);
});

test("one that is not chosen while it still opens never comes up", async () => {
  const { clock, connections, links, ups } = open({ opensByItself: false });
  connections[0]?.comeUp();
  await clock.settle();
  const first = links.all[0];
  assert.ok(first);
  ask(clock, first);
  await clock.advance(PATIENCE);
  links.keep(PATIENCE);
  links.choose(first);
  connections[1]?.comeUp();
  await clock.settle();
  assert.deepEqual(ups, [first]);
});

test("after a break the next one is tried within 250 ms, drawn by chance, and not twice", async () => {
  const { clock, connections, links, breaks } = open();
  await clock.settle();
  for (let round = 1; round <= 20; round++) {
    connections.at(-1)?.break(new Error(`break ${round}`));
    assert.equal(breaks.at(-1), `break ${round}`);
    assert.deepEqual(links.all, []);
    links.keep(PATIENCE); // a ping is due in between
    assert.equal(connections.length, round, "the pause counts for it, too");
    await clock.advance(250);
    assert.equal(connections.length, round + 1);
    assert.equal(clock.pending, 0);
  }
});

test("one that is refused is tried again in the same way, each time told as a break", async () => {
  const { clock, connections, breaks } = open({ opensByItself: false });
  for (let round = 1; round <= 5; round++) {
    connections.at(-1)?.refuse(new Error("ECONNREFUSED"));
    await clock.advance(250);
    assert.equal(connections.length, round + 1);
    assert.equal(breaks.length, round);
  }
});

test("a close and a refusal of the same connection are one break", async () => {
  const { clock, connections, breaks } = open({ opensByItself: false });
  connections[0]?.break(new Error("reset"));
  connections[0]?.refuse(new Error("reset"));
  await clock.settle();
  assert.deepEqual(breaks, ["reset"]);
});

test("when the first breaks while the second is there, the second goes on and none is opened", async () => {
  const { clock, connections, links, breaks } = open();
  await clock.settle();
  ask(clock, links.all[0]);
  await clock.advance(PATIENCE);
  links.keep(PATIENCE);
  await clock.settle();
  connections[0]?.break();
  await clock.advance(1_000);
  assert.equal(connections.length, 2);
  assert.equal(links.all.length, 1);
  assert.deepEqual(breaks, ["reset"]);
});

test("pushes of every connection are passed on", async () => {
  const { clock, connections, pushes } = open();
  await clock.settle();
  connections[0]?.push();
  connections[0]?.push();
  assert.equal(pushes(), 2);
});

test("once closed nothing is opened, nothing breaks and no timer is left", async () => {
  const open1 = open();
  await open1.clock.settle();
  open1.links.close();
  assert.deepEqual(
    open1.connections.map(({ isClosed }) => isClosed),
    [true],
  );
  open1.links.keep(0);
  open1.connections[0]?.break();

  const pausing = open();
  await pausing.clock.settle();
  pausing.connections[0]?.break();
  pausing.links.close();
  for (const { clock, connections } of [open1, pausing]) {
    await clock.advance(10_000);
    assert.equal(connections.length, 1);
    assert.equal(clock.pending, 0);
  }
  assert.deepEqual(open1.breaks, []);
});
