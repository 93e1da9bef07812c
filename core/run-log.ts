/**
 * The log of one run: every event that reached the dispatcher and every command it gave, in order.
 * Feeding the events through a dispatcher again must give the same commands (`replay.ts`).
 */

import { shortDigest } from "./digest.ts";
import { Fault } from "./fault.ts";

/**
 * One entry: kind, then whole numbers. Events: arrive(request, pipeline, arrivedUs, nowUs) ·
 * goal(request, goalUs) · size(request, input size in thousandths) ·
 * finish(replica, nowUs) · fail(replica, nowUs) · wake(timer, nowUs) · join(replica, nowUs) · lose(replica, nowUs) ·
 * drain(replica, nowUs) · cancel(request, outcome, nowUs) ·
 * batching(replica, maxBatch, waitUs, nowUs), 0 for as its pool does · decide(nowUs) · holds(request, task, answer). Commands:
 * start(replica, nowUs, job …) · select(job, pool) of its task's variants · wakeAt(timer, atUs, −1 for never) · end(request, outcome, nowUs).
 * Commands of controllers: assign(job, replica) · drop(job) · move(job, pool) · proceed(request, task) · impute(job, pool) ·
 * enter(request) · abort(replica, 1 if the batch is gone) · setBatch(replica, maxBatch, waitUs) ·
 * order(replica, nowUs) · release(replica, nowUs) · load(slot, model, nowUs) · evict(slot, model, nowUs) ·
 * window(replica, earliestUs, latestUs), of the start that follows.
 * Events that only controllers hear: begin(nowUs) · miss(replica, nowUs), of its batch's window · residency(slot, model, state, nowUs) ·
 * feed(request, pool, loss in millionths, nowUs).
 * Notes, of real runs: served(replica, nowUs, serviceUs, hopUs), before the batch's finish.
 * reschedule(scheduler, nowUs) and choose(request, has a priority, priority, goalUs, scheduler): the
 * scheduler's number among those that the run has used besides its first; −1: none.
 * Requests and jobs are the request table's slots.
 */
export type LogEntry = readonly [LogKind, ...number[]];

export const COMMANDS = [
  ...(["start", "select", "wakeAt", "end"] as const),
  ...(["assign", "drop", "move", "proceed", "impute", "enter", "abort", "setBatch"] as const),
  ...(["order", "release", "load", "evict", "window"] as const),
] as const;
export const EVENTS = [
  "begin",
  "arrive",
  "finish",
  "fail",
  "miss",
  "wake",
  "join",
  "lose",
  "drain",
  "cancel",
  "batching",
  "decide",
  "holds",
  "goal",
  "size",
  "reschedule",
  "choose",
  "residency",
  "feed",
] as const;
/** A result, logged for the record only: served(replica, nowUs, serviceUs, hopUs) of a batch. */
export const NOTES = ["served"] as const;
export type LogKind = (typeof COMMANDS)[number] | (typeof EVENTS)[number] | (typeof NOTES)[number];

/** Numbers that an entry of each kind has; a start has one more for every further job. */
const NUMBERS: Readonly<Record<LogKind, number>> = {
  arrive: 4,
  finish: 2,
  fail: 2,
  miss: 2,
  wake: 2,
  join: 2,
  lose: 2,
  drain: 2,
  cancel: 3,
  batching: 4,
  decide: 1,
  holds: 3,
  goal: 2,
  size: 2,
  reschedule: 2,
  choose: 5,
  begin: 1,
  residency: 4,
  feed: 4,
  assign: 2,
  drop: 1,
  move: 2,
  proceed: 2,
  impute: 2,
  enter: 1,
  abort: 2,
  setBatch: 3,
  order: 2,
  release: 2,
  load: 3,
  evict: 3,
  window: 3,
  served: 4,
  start: 3,
  select: 2,
  wakeAt: 2,
  end: 3,
};

export class RunLog {
  readonly entries: LogEntry[] = [];

  add(kind: LogKind, ...values: number[]): void {
    this.entries.push([kind, ...values]);
  }

  /** SHA-256 over the commands alone, shortened: equal digests mean equal decisions. */
  decisionDigest(): string {
    const commands = this.entries.filter(([kind]) => isCommand(kind));
    return shortDigest(commands.map((entry) => `${JSON.stringify(entry)}\n`));
  }

  toJsonLines(): string {
    return this.entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
  }

  /** Throws Fault("invalid-input") naming the first line that is no entry. */
  static parse(text: string): RunLog {
    const log = new RunLog();
    text.split("\n").forEach((line, i) => {
      if (line !== "") log.entries.push(parseEntry(line, i + 1));
    });
    return log;
  }
}

export function isCommand(kind: LogKind): boolean {
  return (COMMANDS as readonly string[]).includes(kind);
}

export function isNote(kind: LogKind): boolean {
  return (NOTES as readonly string[]).includes(kind);
}

function parseEntry(line: string, number: number): LogEntry {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    value = null;
  }
  if (!isEntry(value)) {
    throw new Fault("invalid-input", `line ${number} of the run log is no entry: ${line}`, {
      hint: "a run log has one JSON array a line: a kind, then whole numbers",
    });
  }
  return value;
}

function isEntry(value: unknown): value is LogEntry {
  if (!Array.isArray(value) || !Object.hasOwn(NUMBERS, String(value[0]))) return false;
  const kind = value[0] as LogKind;
  const numbers = value.slice(1);
  const enough = numbers.length === NUMBERS[kind];
  return (enough || (kind === "start" && numbers.length > 3)) && numbers.every(Number.isInteger);
}
