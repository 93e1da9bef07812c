/** Where a sweep's records are kept, by configuration; read back one by one, in order. */
import { assert } from "../core/fault.ts";
import { parseRecord, type SweepRecord } from "./record.ts";

export interface RecordStore {
  /** How many configurations are finished. */
  readonly finished: number;
  has(index: number): boolean;
  /** Keeps the record of one configuration, as a line without its end. */
  add(index: number, line: string): void;
  line(index: number): string;
}

/** For what is too small to be worth a file. */
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
