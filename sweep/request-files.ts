/**
 * Requests as Parquet. A simulation, which cannot wait, appends lines to a spool, one file for each part of a
 * configuration; once the configuration has finished, its spools become a Parquet file.
 */
import { closeSync, existsSync, openSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { OUTCOMES } from "../engine/dispatch/driver.ts";
import { RequestRows } from "../engine/metrics/recorder.ts";
import { makeFolder, writeAll } from "./atomic-file.ts";
import { fileLiteral, literal, openDatabase } from "./parquet.ts";

/** Columns of a spool, which is CSV without a header: numbers alone. */
const COLUMNS = `{ replication: 'INTEGER', serial: 'INTEGER', pipeline: 'INTEGER', arrivedUs: 'DOUBLE',
  latencyUs: 'DOUBLE', outcome: 'INTEGER' }`;

export class RequestSpool {
  readonly #descriptor: number;

  constructor(path: string) {
    this.#descriptor = openSync(path, "w");
  }

  rowsOf(replication: number): RequestRows {
    return new RequestRows(({ count, serial, pipeline, arrivedUs, latencyUs, outcome }) => {
      let lines = "";
      for (let i = 0; i < count; i++) {
        lines += `${replication},${serial[i]},${pipeline[i]},${arrivedUs[i]},${latencyUs[i]},${outcome[i]}\n`;
      }
      writeAll(this.#descriptor, Buffer.from(lines));
    });
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/** The folder below a sweep's, and within it that of files not yet converted. */
export const REQUESTS_FOLDER = "requests";
const SPOOLS = "spool";

/** Where a thread writes the rows of replications from `first` on of a configuration. */
export function spoolFile(directory: string, index: number, first: number): string {
  return join(directory, REQUESTS_FOLDER, SPOOLS, `${index}-${first}`);
}

function requestFile(directory: string, index: number): string {
  return join(directory, REQUESTS_FOLDER, `${index}.parquet`);
}

/** Whether all requests of a configuration have been written. */
export function hasRequests(directory: string, index: number): boolean {
  return existsSync(requestFile(directory, index));
}

/** Moves all requests' files of one folder to another. */
export function moveRequests(from: string, to: string): void {
  makeFolder(join(to, REQUESTS_FOLDER));
  for (const name of readdirSync(join(from, REQUESTS_FOLDER))) {
    if (!name.endsWith(".parquet")) continue;
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
    const spools = this.#spoolsOf(index);
    const file = requestFile(this.#directory, index);
    const rows = `select ${index} as configuration, replication, serial,
      ${listed(this.#pipelines)}[pipeline + 1] as pipeline, arrivedUs / 1000 as arrivedMs,
      latencyUs / 1000 as latencyMs, ${listed(OUTCOMES)}[outcome + 1] as outcome
      from read_csv([${spools.map((spool) => fileLiteral(spool)).join(", ")}], header = false, auto_detect = false, columns = ${COLUMNS})`;
    await this.#connection.run(`copy (${rows}) to ${literal(`${file}.part`)} (format parquet)`);
    renameSync(`${file}.part`, file);
    for (const path of spools) rmSync(path);
  }

  #spoolsOf(index: number): readonly string[] {
    const folder = join(this.#directory, REQUESTS_FOLDER, SPOOLS);
    const start = `${index}-`;
    const first = (name: string): number => Number(name.slice(start.length));
    const names = readdirSync(folder).filter((name) => name.startsWith(start));
    return names.sort((a, b) => first(a) - first(b)).map((name) => join(folder, name));
  }
}

function listed(names: readonly string[]): string {
  return `[${names.map(literal).join(", ")}]`;
}
