/**
 * Requests as Parquet. A simulation, which cannot wait, appends blocks of columns to a spool, one
 * file for each part of a configuration; once the configuration has finished, its spools become
 * Parquet files.
 */
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import type { DuckDBAppender, DuckDBConnection } from "@duckdb/node-api";
import { OUTCOMES } from "../core/dispatch/driver.ts";
import { RequestRows } from "../core/metrics/recorder.ts";
import { makeFolder, writeAll } from "./atomic-file.ts";
import { literal, openDatabase } from "./parquet.ts";

/** Rows of one replication; columns as in `RequestRows`. */
interface RequestBlock {
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
    writeAll(this.#descriptor, new Uint8Array(buffer, byteOffset, byteLength));
  }
}

/** The blocks of a whole file, one at a time in memory. */
function* readSpool(path: string): Generator<RequestBlock> {
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

/** The folder below a sweep's, and within it that of files not yet converted. */
export const REQUESTS_FOLDER = "requests";
const SPOOLS = "spool";
/** Rows in memory before they are written to a file of their own. */
const ROWS_PER_FILE = 1_000_000;

/** Where a thread writes the rows of replications from `first` on of a configuration. */
export function spoolFile(directory: string, index: number, first: number): string {
  return join(directory, REQUESTS_FOLDER, SPOOLS, `${index}-${first}`);
}

function requestFile(directory: string, index: number, file: number): string {
  return join(directory, REQUESTS_FOLDER, `${index}-${file}.parquet`);
}

/** Whether all requests of a configuration have been written. */
export function hasRequests(directory: string, index: number): boolean {
  // Files get their names from the last to the first.
  return existsSync(requestFile(directory, index, 0));
}

/** Moves all requests' files of one folder to another; each configuration's are there once all are. */
export function moveRequests(from: string, to: string): void {
  makeFolder(join(to, REQUESTS_FOLDER));
  const names = readdirSync(join(from, REQUESTS_FOLDER)).filter((name) =>
    name.endsWith(".parquet"),
  );
  const part = (name: string): number => Number(/-(\d+)\./.exec(name)?.[1]);
  for (const name of names.sort((a, b) => part(b) - part(a))) {
    renameSync(join(from, REQUESTS_FOLDER, name), join(to, REQUESTS_FOLDER, name));
  }
}

export class RequestWriter {
  readonly #directory: string;
  readonly #connection: DuckDBConnection;
  readonly #pipelines: readonly string[];
  #turn: Promise<void> = Promise.resolve();

  private constructor(
    directory: string,
    connection: DuckDBConnection,
    pipelines: readonly string[],
  ) {
    this.#directory = directory;
    this.#connection = connection;
    this.#pipelines = pipelines;
  }

  static async open(directory: string, pipelines: readonly string[]): Promise<RequestWriter> {
    const spools = join(directory, REQUESTS_FOLDER, SPOOLS);
    rmSync(spools, { recursive: true, force: true });
    makeFolder(spools);
    const connection = await openDatabase();
    return new RequestWriter(directory, connection, pipelines);
  }

  /** Converts the spools of a configuration, after those of earlier calls. */
  convert(index: number): Promise<void> {
    this.#turn = this.#turn.then(() => this.#convert(index));
    return this.#turn;
  }

  close(): void {
    this.#connection.closeSync();
    rmSync(join(this.#directory, REQUESTS_FOLDER, SPOOLS), { recursive: true, force: true });
  }

  async #convert(index: number): Promise<void> {
    let appender = await this.#startRows();
    const spools = this.#spoolsOf(index);
    const files: string[] = [];
    let waiting = 0;
    for (const path of spools) {
      for (const block of readSpool(path)) {
        if (waiting + block.count > ROWS_PER_FILE) {
          files.push(await this.#write(appender, index, files.length));
          appender = await this.#startRows();
          waiting = 0;
        }
        append(appender, block);
        waiting += block.count;
      }
    }
    files.push(await this.#write(appender, index, files.length));
    // The first file's name says that all are there.
    for (const [file, beside] of [...files.entries()].reverse()) {
      renameSync(beside, requestFile(this.#directory, index, file));
    }
    for (const path of spools) rmSync(path);
  }

  #spoolsOf(index: number): readonly string[] {
    const folder = join(this.#directory, REQUESTS_FOLDER, SPOOLS);
    const start = `${index}-`;
    const first = (name: string): number => Number(name.slice(start.length));
    const names = readdirSync(folder).filter((name) => name.startsWith(start));
    return names.sort((a, b) => first(a) - first(b)).map((name) => join(folder, name));
  }

  async #startRows(): Promise<DuckDBAppender> {
    await this.#connection.run(`create table rows (replication INTEGER, serial INTEGER,
      pipeline INTEGER, arrivedUs DOUBLE, latencyUs DOUBLE, outcome INTEGER)`);
    return this.#connection.createAppender("rows");
  }

  async #write(appender: DuckDBAppender, index: number, file: number): Promise<string> {
    appender.closeSync();
    const beside = `${requestFile(this.#directory, index, file)}.part`;
    const from = `select ${index} as configuration, replication, serial,
      ${listed(this.#pipelines)}[pipeline + 1] as pipeline, arrivedUs / 1000 as arrivedMs,
      latencyUs / 1000 as latencyMs, ${listed(OUTCOMES)}[outcome + 1] as outcome from rows`;
    await this.#connection.run(`copy (${from}) to ${literal(beside)} (format parquet)`);
    await this.#connection.run("drop table rows");
    await this.#connection.run("checkpoint");
    return beside;
  }
}

function listed(names: readonly string[]): string {
  return `[${names.map(literal).join(", ")}]`;
}

function append(appender: DuckDBAppender, block: RequestBlock): void {
  for (let i = 0; i < block.count; i++) {
    appender.appendInteger(block.replication);
    appender.appendInteger(block.serial[i]);
    appender.appendInteger(block.pipeline[i]);
    appender.appendDouble(block.arrivedUs[i]);
    appender.appendDouble(block.latencyUs[i]);
    appender.appendInteger(block.outcome[i]);
    appender.endRow();
  }
}
