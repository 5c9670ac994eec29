import assert from "node:assert/strict";
import { test } from "node:test";
import { lead, observe, oncePerInterval, runUnique, updateWithFallback } from "../../src/recipes/index.js";
import type { UniqueForm } from "../../src/recipes/index.js";
import { lockersForFile } from "../support/file-lockers.js";
import { newKey } from "../support/lockers.js";
import { assertRefused } from "../support/refusals.js";

const store = await lockersForFile({});
const [locker] = store.lockers;

type Broken = [options: object, message: RegExp];

const fail = (): never => assert.fail("it ran");
const wholeMs = (option: string, least: number) =>
  new RegExp(`^${option} \\(.*\\) must be a whole number of ms from ${least} to 2147483647$`);
const broken = (option: string, values: readonly unknown[], message: RegExp): Broken[] =>
  values.map((value) => [{ [option]: value }, message]);

const badSignal: Broken = [{ signal: {} }, /^signal \(\{\}\) must be an AbortSignal$/];
const badTtl: Broken = [{ lockTtlMs: 1 }, /^lockTtlMs \(1\) must be at least sessionTtlMs \(2000\)$/];
const badTrace: Broken = [{ trace: 5 }, /^trace \(5\) must be text of ≤ 1 KiB$/];
const badName: Broken = [{ waitMS: 5 }, /^waitMS \(5\) is not an option$/];
const noMs = [-1, 0.5, NaN, Infinity, "5", null];

test("bad options of a campaign and of an observer are refused, nothing written", async () => {
  const ofLead = [...broken("againMs", noMs, wholeMs("againMs", 0)), badSignal, badTtl, badTrace, badName];
  for (const [options, message] of ofLead) {
    await assertRefused(store, message, [() => lead(locker, newKey(), fail, options)]);
  }
  for (const [options, message] of [...broken("everyMs", [0, ...noMs], wholeMs("everyMs", 1)), badSignal, badName]) {
    await assertRefused(store, message, [() => observe(locker, newKey(), options)]);
  }
});

test("a bad interval, skew or option of what runs once in it is refused, nothing written", async () => {
  for (const intervalMs of [0, -1, 0.5, NaN, Infinity, "5", null] as number[]) {
    const message = /^intervalMs \(.*\) must be a whole number of ms, at least 1$/;
    await assertRefused(store, message, [
      () => oncePerInterval(locker, newKey(), intervalMs, fail),
      () => oncePerInterval(locker, newKey(), intervalMs, fail, { skewMs: 0 }),
    ]);
  }
  const ofSkew = [
    ...broken("skewMs", noMs, wholeMs("skewMs", 0)),
    [{ skewMs: 501 }, /^skewMs \(501\) must be at most half of intervalMs \(1000\)$/] as Broken,
  ];
  for (const [options, message] of [...ofSkew, badSignal, badTtl, badTrace, badName]) {
    await assertRefused(store, message, [() => oncePerInterval(locker, newKey(), 1_000, fail, options)]);
  }
});

test("a bad form or option of a unique job is refused, nothing written", async () => {
  const forms: UniqueForm[] = ["until-executing", "until-executed", "until-and-while-executing", "while-executing"];
  for (const form of forms) {
    const ofForm = broken("forMs", [0, 5, NaN, null], /^forMs \(.*\) goes with until-expired alone$/);
    for (const [options, message] of [...ofForm, badSignal, badTtl, badTrace, badName]) {
      await assertRefused(store, message, [() => runUnique(locker, newKey(), form, fail, options)]);
    }
  }
  for (const [options, message] of broken("forMs", [undefined, 0, ...noMs], wholeMs("forMs", 1))) {
    await assertRefused(store, message, [() => runUnique(locker, newKey(), "until-expired", fail, options)]);
  }
  await assertRefused(store, /^form \("until-done"\) must be one of until-executing, until-executed, .*$/, [
    () => runUnique(locker, newKey(), "until-done" as UniqueForm, fail),
  ]);
});

test("bad options of an update are refused, a count or a wait before anything is read, nothing written", async () => {
  const ofUpdate = [
    ...broken("conflictsMax", noMs, /^conflictsMax \(.*\) must be a whole number, at least 0$/),
    ...broken("waitMs", [-1, NaN, "5", null], /^waitMs \(.*\) must be a number of ms ≥ 0, or Infinity$/),
    badSignal,
    badName,
  ];
  const update = { read: fail, change: fail, write: fail };
  for (const [options, message] of ofUpdate) {
    await assertRefused(store, message, [() => updateWithFallback(locker, newKey(), update, options)]);
  }
  for (const [options, message] of [badTtl, badTrace]) {
    const always = { ...options, conflictsMax: 0 };
    await assertRefused(store, message, [() => updateWithFallback(locker, newKey(), update, always)]);
  }
});
