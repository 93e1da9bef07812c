/**
 * The log of one run: every event that reached the dispatcher and every command it gave, in order.
 * Feeding the events through a dispatcher again must give the same commands (`replay.ts`).
 */
import { createHash } from "node:crypto";
import { Fault } from "./fault.ts";

/**
 * One entry: kind, then whole numbers. Events: arrive(request, pipeline, arrivedUs, nowUs) ·
 * finish(replica, nowUs) · wake(timer, nowUs) · join(replica, nowUs) · lose(replica, nowUs) ·
 * cancel(request, outcome, nowUs) · decide(nowUs) · holds(request, task, answer). Commands:
 * start(replica, nowUs, job …) · wakeAt(timer, atUs, −1 for never) · end(request, outcome, nowUs).
 * Requests and jobs are the request table's slots.
 */
export type LogEntry = readonly [LogKind, ...number[]];

export const COMMANDS = ["start", "wakeAt", "end"] as const;
export const EVENTS = [
  "arrive",
  "finish",
  "wake",
  "join",
  "lose",
  "cancel",
  "decide",
  "holds",
] as const;
export type LogKind = (typeof COMMANDS)[number] | (typeof EVENTS)[number];

export class RunLog {
  readonly entries: LogEntry[] = [];

  add(kind: LogKind, ...values: number[]): void {
    this.entries.push([kind, ...values]);
  }

  /** SHA-256 over the commands alone, shortened: equal digests mean equal decisions. */
  decisionDigest(): string {
    const hash = createHash("sha256");
    for (const entry of this.entries) {
      if (isCommand(entry[0])) hash.update(`${JSON.stringify(entry)}\n`);
    }
    return hash.digest("hex").slice(0, 16);
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

function parseEntry(line: string, number: number): LogEntry {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    value = null;
  }
  const kinds: readonly unknown[] = [...COMMANDS, ...EVENTS];
  if (!Array.isArray(value) || !kinds.includes(value[0]) || value.slice(1).some(isNoInteger)) {
    throw new Fault("invalid-input", `line ${number} of the run log is no entry: ${line}`, {
      hint: "a run log has one JSON array a line: a kind, then whole numbers",
    });
  }
  return value as unknown as LogEntry;
}

function isNoInteger(value: unknown): boolean {
  return !Number.isInteger(value);
}
