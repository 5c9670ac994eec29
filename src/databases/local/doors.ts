import { type DoorRow, type PushRow } from "./records.js";
import type { Step } from "./step.js";

/** Who listens to which channel, and what is told there: as PUBLISH, SUBSCRIBE and NUMSUB for Redis. */

/** A door says again that it is there long before; one that is not is cleared away. */
export const KEEP_DOOR_MS = 3_600_000;
/** For whoever does not collect it: what a push says can be found by asking. */
const KEEP_PUSH_MS = 60_000;

export function openDoor({ records, nowMs }: Step, channel: string, doorId: string, process: DoorRow): void {
  records.put("door", channel, doorId, process, nowMs + KEEP_DOOR_MS);
}

export function closeDoor({ records }: Step, channel: string, doorId: string): void {
  records.delete("door", channel, doorId);
  for (const { sub } of records.scan("push", doorId)) records.delete("push", doorId, sub);
}

/** Doors of processes that are proven dead. Called when a session begins. */
export function clearDeadDoors(step: Step): void {
  for (const { key, sub, row } of step.records.scanAll("door")) if (step.isGone(row)) closeDoor(step, key, sub);
}

/** How many listen there, in processes that are not proven dead. */
export function countDoors(step: Step, channel: string): number {
  return step.records.scan("door", channel).filter(({ row }) => !step.isGone(row)).length;
}

/** Returns how many will hear it. */
export function publish(step: Step, channel: string, push: PushRow): number {
  const { records, nowUs, nowMs } = step;
  const doors = records.scan("door", channel).filter(({ row }) => !step.isGone(row));
  for (const { sub } of doors) {
    step.pushes += 1;
    const order = `${nowUs}.${String(step.pushes).padStart(6, "0")}`;
    records.put("push", sub, order, push, nowMs + KEEP_PUSH_MS);
  }
  return doors.length;
}

/** Takes out what a door has not been told yet, in order. */
export function collectPushes({ records }: Step, doorId: string): PushRow[] {
  const pushes = records.scan("push", doorId);
  for (const { sub } of pushes) records.delete("push", doorId, sub);
  return pushes.map(({ row }) => row);
}
