/**
 * Rows of requests on their way from a simulation, which cannot wait, to Parquet: blocks of columns
 * appended to a file, one file for each part of a configuration.
 */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { RequestRows } from "../core/metrics/recorder.ts";

/** Rows of one replication; columns as in `RequestRows`. */
export interface RequestBlock {
  readonly replication: number;
  readonly count: number;
  readonly serial: Uint32Array;
  readonly pipeline: Uint16Array;
  readonly arrivedUs: Float64Array;
  readonly latencyUs: Float64Array;
  readonly outcome: Uint8Array;
}

/** In the order of a block's columns in the file. */
const COLUMNS = ["arrivedUs", "latencyUs", "serial", "pipeline", "outcome"] as const;

export class RequestSpool {
  readonly #descriptor: number;

  constructor(path: string) {
    this.#descriptor = openSync(path, "w");
  }

  rowsOf(replication: number): RequestRows {
    return new RequestRows((rows) => {
      this.#write(Int32Array.of(replication, rows.count));
      for (const column of COLUMNS) this.#write(rows[column].subarray(0, rows.count));
    });
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #write({ buffer, byteOffset, byteLength }: ArrayBufferView): void {
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#descriptor, bytes, at);
  }
}

/** The blocks of a whole file, one at a time in memory. */
export function* readSpool(path: string): Generator<RequestBlock> {
  const descriptor = openSync(path, "r");
  const read = (bytes: number): ArrayBuffer => {
    const view = new Uint8Array(bytes);
    for (let at = 0; at < bytes; ) {
      const size = readSync(descriptor, view, at, bytes - at, null);
      if (size === 0) return view.buffer.slice(0, at);
      at += size;
    }
    return view.buffer;
  };
  try {
    for (;;) {
      const head = read(8);
      if (head.byteLength < 8) return;
      const [replication, count] = new Int32Array(head);
      yield {
        replication,
        count,
        arrivedUs: new Float64Array(read(8 * count)),
        latencyUs: new Float64Array(read(8 * count)),
        serial: new Uint32Array(read(4 * count)),
        pipeline: new Uint16Array(read(2 * count)),
        outcome: new Uint8Array(read(count)),
      };
    }
  } finally {
    closeSync(descriptor);
  }
}
