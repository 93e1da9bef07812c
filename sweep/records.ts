/**
 * The records of finished configurations, each a line of JSON that is the same on every machine, and their stores: in
 * memory, or on disk, where the same command goes on after a kill with the configurations that have no line.
 *
 *   configurations.jsonl    first the key as a line, then a record a line, in order of finishing
 */

import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
} from "node:fs";
import { join } from "node:path";
import { assert } from "../engine/basics/fault.ts";
import type { RunSummary } from "../engine/metrics/summary.ts";
import type { ConfigurationResult } from "../results/documents.ts";
import { parsedJson } from "../scenario/reading/files.ts";
import type { ParameterColumn } from "../scenario/sweep/parameter-columns.ts";
import { makeFolder, writeAll, writeAtomically } from "./atomic-file.ts";
import { parquetFile, SUMMARY_TABLES } from "./parquet.ts";
import { REQUESTS_FOLDER } from "./request-files.ts";

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
function parseRecord(line: string): SweepRecord | undefined {
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

/** The lines, with their ends, of configurations `first` .. `end` − 1, which are finished. */
export function* linesOf(store: RecordStore, first: number, end: number): Generator<string> {
  for (let index = first; index < end; index++) yield `${store.line(index)}\n`;
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

/**
 * Results are reused only under an equal key; each field's name ends a sentence for the user.
 * Plain data: may be written as JSON.
 */
export interface StoreKey {
  readonly parameters: readonly ParameterColumn[];
  readonly [name: string]: unknown;
}

/** Changes with the layout of the store's lines. */
export const STORE_FORMAT = "tandem/store@2";
export const STORE_FILE = "configurations.jsonl";
/** The files that a sweep writes into its folder, and those that a report makes of them. */
export const RESULT_FILES: readonly string[] = [
  ...[STORE_FILE, "results.json", ...SUMMARY_TABLES.map(parquetFile), REQUESTS_FOLDER],
  ...["report.html", "charts"],
];

interface Found {
  readonly key: StoreKey | undefined;
  readonly lines: number;
}

export class ResultStore implements RecordStore {
  /** Set when results under another key were found: what differs, and where they now are. */
  readonly setAside: string | undefined;
  readonly #descriptor: number;
  /** By configuration: where its line starts, −1 when it is not finished; and its length, bytes. */
  readonly #starts: Float64Array;
  readonly #lengths: Uint32Array;
  #end = 0;
  #finished = 0;

  private constructor(descriptor: number, count: number, setAside: string | undefined) {
    this.#descriptor = descriptor;
    this.#starts = new Float64Array(count).fill(-1);
    this.#lengths = new Uint32Array(count);
    this.setAside = setAside;
  }

  /** Opens or starts the store of `count` configurations in `directory`. */
  static open(directory: string, key: StoreKey, count: number): ResultStore {
    makeFolder(directory);
    const path = join(directory, STORE_FILE);
    const found = existsSync(path) ? survey(path) : undefined;
    const same = found !== undefined && JSON.stringify(found.key) === JSON.stringify(key);
    const setAside =
      same || found === undefined || found.lines === 0
        ? undefined
        : moveAside(directory, found, key);
    if (!same) writeAtomically(path, `${JSON.stringify(key)}\n`);
    const store = new ResultStore(openSync(path, "a+"), count, setAside);
    store.#read();
    // A torn last line is a configuration to do again.
    ftruncateSync(store.#descriptor, store.#end);
    return store;
  }

  get finished(): number {
    return this.#finished;
  }

  has(index: number): boolean {
    return this.#starts[index] >= 0;
  }

  add(index: number, line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    writeAll(this.#descriptor, bytes);
    if (fstatSync(this.#descriptor).size === this.#end + bytes.length) {
      this.#keep(index, this.#end, bytes.length - 1);
      this.#end += bytes.length;
    } else {
      // The same command runs a second time, and appends lines of its own.
      this.#read();
    }
  }

  /** Configurations that are not kept run again; their new records replace the old ones. */
  forgetUnless(kept: (index: number) => boolean): void {
    for (let index = 0; index < this.#starts.length; index++) {
      if (!this.has(index) || kept(index)) continue;
      this.#starts[index] = -1;
      this.#finished--;
    }
  }

  line(index: number): string {
    assert(this.has(index), `configuration ${index} is finished`);
    const bytes = Buffer.allocUnsafe(this.#lengths[index]);
    readSync(this.#descriptor, bytes, 0, bytes.length, this.#starts[index]);
    return bytes.toString("utf8");
  }

  close(): void {
    fsyncSync(this.#descriptor);
    closeSync(this.#descriptor);
  }

  /** Takes the lines from `#end` on; one that is no whole record is a configuration to do again. */
  #read(): void {
    for (const { text, start, length } of linesIn(this.#descriptor, this.#end)) {
      this.#end = start + length + 1;
      const index = start === 0 ? undefined : parseRecord(text)?.index;
      if (index !== undefined && index < this.#starts.length) this.#keep(index, start, length);
    }
  }

  #keep(index: number, start: number, length: number): void {
    if (!this.has(index)) this.#finished++;
    this.#starts[index] = start;
    this.#lengths[index] = length;
  }
}

/** The key of a store, undefined when it has none, and how many whole lines come after it. */
function survey(path: string): Found {
  const descriptor = openSync(path, "r");
  let key: StoreKey | undefined;
  let lines = -1;
  for (const { text } of linesIn(descriptor)) {
    if (lines++ < 0) key = parsedJson(text) as StoreKey | undefined;
  }
  closeSync(descriptor);
  return { key, lines: Math.max(0, lines) };
}

/** Renames those of the files that there are into a folder of their own, and returns its name; null where there are none. */
export function setAside(directory: string, names: readonly string[]): string | null {
  const found = names.filter((name) => existsSync(join(directory, name)));
  if (found.length === 0) return null;
  let number = 1;
  while (existsSync(join(directory, `earlier-${number}`))) number++;
  const aside = join(directory, `earlier-${number}`);
  mkdirSync(aside);
  for (const name of found) renameSync(join(directory, name), join(aside, name));
  return aside;
}

/** Sets the results of another key aside, and says so. */
function moveAside(directory: string, found: Found, key: StoreKey): string {
  const aside = setAside(directory, RESULT_FILES);
  const kept = `${found.lines} finished configuration${found.lines === 1 ? "" : "s"}`;
  const different = differentFields(found.key, key).join(" and ");
  return `${directory} has ${kept} of another ${different}: moved to ${aside}`;
}

/** The fields of `wanted` that another key has not, or with other values. */
export function differentFields(found: StoreKey | undefined, wanted: StoreKey): string[] {
  return Object.keys(wanted).filter(
    (name) => JSON.stringify(found?.[name]) !== JSON.stringify(wanted[name]),
  );
}

/** The key of a store that need not be finished; undefined where it has none, and where there is no store. */
export function readKey(path: string): StoreKey | undefined {
  return existsSync(path) ? survey(path).key : undefined;
}

const CHUNK_BYTES = 1 << 20;

interface Line {
  readonly text: string;
  readonly start: number;
  /** Bytes, without the line's end. */
  readonly length: number;
}

/** Complete lines of a file from a line's start on, a chunk in memory at a time. */
function* linesIn(descriptor: number, start = 0): Generator<Line> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let pending = Buffer.alloc(0);
  for (;;) {
    const size = readSync(descriptor, chunk, 0, CHUNK_BYTES, start + pending.length);
    if (size === 0) return;
    pending = Buffer.concat([pending, chunk.subarray(0, size)]);
    let from = 0;
    for (let end = pending.indexOf(10); end >= 0; end = pending.indexOf(10, from)) {
      const length = end - from;
      yield { text: pending.toString("utf8", from, end), start: start + from, length };
      from = end + 1;
    }
    pending = pending.subarray(from);
    start += from;
  }
}
