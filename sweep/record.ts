/**
 * The record of one finished configuration: a line of JSON, the same on every machine; and its stores.
 */

import { assert } from "../core/fault.ts";
import type { RunSummary } from "../core/metrics/summary.ts";
import type { ConfigurationResult } from "../core/results.ts";

/** Each replication's figures by column, in order of replication; null where one has no figure. */
export interface RunColumns {
  readonly digest: readonly string[];
  readonly requests: readonly number[];
  readonly metrics: Columns;
  readonly tasks: Readonly<Record<string, Columns>>;
}

type Columns = Readonly<Record<string, readonly (number | null)[]>>;

export interface SweepRecord {
  /** The configuration's place in the sweep, from 0. */
  readonly index: number;
  readonly result: ConfigurationResult;
  readonly runs: RunColumns;
}

/** `summaries` are in order of replication, and not empty. */
export function runColumns(summaries: readonly RunSummary[]): RunColumns {
  const tasks = Object.keys(summaries[0].tasks).map((task): [string, Columns] => [
    task,
    columnsOf(summaries.map((summary) => summary.tasks[task])),
  ]);
  return {
    digest: summaries.map((summary) => summary.digest),
    requests: summaries.map((summary) => summary.requests),
    metrics: columnsOf(summaries.map((summary) => summary.metrics)),
    tasks: Object.fromEntries(tasks),
  };
}

/** A line without its end. */
export function recordLine(record: SweepRecord): string {
  return JSON.stringify(record);
}

/** Undefined for a line that is not whole. */
export function parseRecord(line: string): SweepRecord | undefined {
  try {
    const value = JSON.parse(line) as Partial<SweepRecord> | null;
    const whole = Number.isInteger(value?.index) && value?.result !== undefined;
    return whole ? (value as SweepRecord) : undefined;
  } catch {
    return undefined;
  }
}

function columnsOf(runs: readonly Readonly<Record<string, number>>[]): Columns {
  const names = new Set(runs.flatMap(Object.keys));
  const columns: Record<string, (number | null)[]> = {};
  for (const name of names) columns[name] = runs.map((run) => run[name] ?? null);
  return columns;
}

export interface RecordStore {
  /** How many configurations are finished. */
  readonly finished: number;
  has(index: number): boolean;
  /** Keeps the record of one configuration, as a line without its end. */
  add(index: number, line: string): void;
  line(index: number): string;
}

/** For sweeps that are too small to be worth a file. */
export class MemoryStore implements RecordStore {
  readonly #lines = new Map<number, string>();

  get finished(): number {
    return this.#lines.size;
  }

  has(index: number): boolean {
    return this.#lines.has(index);
  }

  add(index: number, line: string): void {
    this.#lines.set(index, line);
  }

  line(index: number): string {
    const line = this.#lines.get(index);
    assert(line !== undefined, `configuration ${index} is finished`);
    return line;
  }
}

/** The finished ones of `count` configurations in order, one at a time in memory. */
export function* recordsOf(store: RecordStore, count: number): Generator<SweepRecord> {
  for (let index = 0; index < count; index++) {
    if (store.has(index)) yield recordAt(store, index);
  }
}

/** That of a finished configuration. */
export function recordAt(store: RecordStore, index: number): SweepRecord {
  const record = parseRecord(store.line(index));
  assert(record !== undefined, `the record of configuration ${index} was whole when it was kept`);
  return record;
}
