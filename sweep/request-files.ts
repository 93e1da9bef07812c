/** Requests as Parquet, one file a configuration, written as configurations finish. */
import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { DuckDBAppender, DuckDBConnection } from "@duckdb/node-api";
import { OUTCOMES } from "../core/dispatch/driver.ts";
import { literal, openDatabase } from "./database.ts";
import { makeFolder } from "./make-folder.ts";
import { type RequestBlock, readSpool } from "./request-spool.ts";

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

  /** Converts the spools of a configuration; one after another, whoever asks. */
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
