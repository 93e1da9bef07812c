/**
 * The log of one run: every event that reached the dispatcher and every command it gave, in order.
 * Feeding the events through a dispatcher again must give the same commands (`replay.ts`).
 */

import { Fault } from "../basics/fault.ts";

/** By kind, the names of an entry's numbers, which are whole. Requests and jobs are the request table's slots. */
const COMMANDS = {
  /** One job at least. */
  start: "replica nowUs job …",
  /** A pool of its task's variants, or one of several that an ensemble asks. */
  select: "job pool",
  /** −1: never. */
  wakeAt: "timer atUs",
  end: "request outcome nowUs",
  /** The label −1: no answer. */
  vote: "request ensemble label confidenceMillionths",
  // Controllers give these.
  assign: "job replica",
  drop: "job",
  proceed: "request task",
  impute: "job pool",
  enter: "request",
  /** 1: the batch is gone. */
  abort: "replica gone",
  order: "replica nowUs",
  release: "replica nowUs",
  load: "slot model nowUs",
  evict: "slot model nowUs",
  /** `problem`: a digest, 48 bits. */
  ask: "controller problem atUs",
  /** For the start that follows. */
  window: "replica earliestUs latestUs",
} as const;

const EVENTS = {
  arrive: "request pipeline arrivedUs nowUs",
  finish: "replica nowUs",
  /** Its job has made its first token. */
  stream: "replica nowUs",
  fail: "replica nowUs",
  wake: "timer nowUs",
  join: "replica nowUs",
  lose: "replica nowUs",
  drain: "replica nowUs",
  cancel: "request outcome nowUs",
  /** `maxBatch` 0: as its pool does. */
  batching: "replica maxBatch waitUs nowUs",
  decide: "nowUs",
  // Answers of the driver.
  holds: "request task answer",
  answer: "request task label",
  goal: "request goalUs",
  size: "request inputSizeThousandths",
  /** Tokens −1: nobody knows it. */
  prompt: "request task tokens beginning",
  /** `scheduler` counts those that the run has used besides its first; −1: none. */
  reschedule: "scheduler nowUs",
  choose: "request hasPriority priority goalUs scheduler",
  /** The user's scheduler threw in the event before, or at its end; a `reschedule` follows. */
  failed: "nowUs",
  // For controllers only.
  begin: "nowUs",
  /** The window of its batch. */
  miss: "replica nowUs",
  residency: "slot model state nowUs",
  feed: "request pool lossMillionths nowUs",
  /** Without a number: the solver has failed. A plan of accuracy scaling ends with its gap in 0.0001 where that is above 1. */
  solved: "controller nowUs …",
} as const;

/** Real runs add these for the record only; `served` comes before its batch's `finish`. */
const NOTES = { served: "replica nowUs serviceUs hopUs" } as const;

export const LOG_ENTRIES = { ...COMMANDS, ...EVENTS, ...NOTES };

export type LogKind = keyof typeof LOG_ENTRIES;
export type LogEntry = readonly [LogKind, ...number[]];

/** The place of an entry's instant among its values; 0: it has none. */
const INSTANTS = new Map(
  Object.entries(LOG_ENTRIES).map(([kind, names]) => [kind, names.split(" ").indexOf("nowUs") + 1]),
);

/** When an entry happened, µs; undefined where it does not say. */
export function instantOf(entry: LogEntry): number | undefined {
  const place = INSTANTS.get(entry[0]);
  return place === 0 ? undefined : (entry[place as number] as number);
}

export class RunLog {
  readonly entries: LogEntry[] = [];

  add(kind: LogKind, ...values: number[]): void {
    this.entries.push([kind, ...values]);
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
  return Object.hasOwn(COMMANDS, kind);
}

export function isNote(kind: LogKind): boolean {
  return Object.hasOwn(NOTES, kind);
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
  if (!Array.isArray(value) || !Object.hasOwn(LOG_ENTRIES, String(value[0]))) return false;
  const [kind, ...numbers] = value as [LogKind, ...unknown[]];
  const names = LOG_ENTRIES[kind].split(" ");
  const isList = names.at(-1) === "…";
  const least = isList ? names.length - 1 : names.length;
  const isLong = isList && numbers.length > least;
  return (isLong || numbers.length === least) && numbers.every(Number.isInteger);
}
