/**
 * Writes the requests that a gateway gets as a trace, which `workload: { arrivals: trace }` plays under
 * another scheduler: a CSV file with a line for each request, in order of arrival.
 *
 *   arrived_s,pipeline,bytes,outcome,latency_ms
 *
 * `arrived_s` counts seconds since 1970 in the scenario's pace, `bytes` the request's contents. A gateway that
 * was started again goes on in the same file.
 */
import { appendFileSync, existsSync, statSync } from "node:fs";
import type { Outcome } from "../../core/dispatch/driver.ts";
import { Fault } from "../../core/fault.ts";
import { csvCell } from "../../core/scenario/trace.ts";
import type { System } from "../../core/system.ts";
import { monotonicUs } from "../time/monotonic.ts";
import type { RunningRequest, RunSink } from "./run-sink.ts";
import type { RunTime } from "./spans.ts";

const HEADER = "arrived_s,pipeline,bytes,outcome,latency_ms\n";
const FLUSH_MS = 1000;
/** Rows that wait for an earlier request's end: beyond it, that request's outcome is left empty. */
const MOST_WAITING = 100_000;

interface Row {
  readonly arrivedS: number;
  readonly pipeline: number;
  readonly bytes: number;
  /** Null: not known yet. */
  end: { readonly outcome: Outcome; readonly latencyMs: number | null } | null;
}

/** Makes the file, or finds that it can be appended to. Throws Fault("usage"). */
export function startRecord(file: string): void {
  try {
    const isNew = !existsSync(file) || statSync(file).size === 0;
    appendFileSync(file, isNew ? HEADER : "");
  } catch (error) {
    throw new Fault(
      "usage",
      `requests cannot be recorded in ${file}: ${(error as Error).message}`,
      {
        hint: "give a file in a folder that exists and can be written to",
      },
    );
  }
}

export class ArrivalRecord {
  readonly #file: string;
  readonly #names: readonly string[];
  readonly #rows: Row[] = [];
  readonly #open = new Map<RunningRequest, Row>();
  readonly #failed: (message: string) => void;
  readonly #append: (text: string) => void;
  readonly #flushes: NodeJS.Timeout;
  #isBroken = false;
  /** The trace's time of the present instant, s. */
  #nowS = (): number => Date.now() / 1000;
  /** Of the last row written: a trace does not run backwards. */
  #lastS = 0;

  /** Calls `failed` once if the file cannot be written; the gateway goes on. `append` writes one that is elsewhere. */
  constructor(
    file: string,
    system: System,
    failed: (message: string) => void,
    append = (text: string): void => appendFileSync(file, text),
  ) {
    this.#file = file;
    this.#append = append;
    this.#names = system.pipelines.map(({ name }) => csvCell(name));
    this.#failed = failed;
    this.#flushes = setInterval(() => this.flush(), FLUSH_MS).unref();
  }

  /** The sink of one run, whose time 0 is at `startUs` of `monotonicUs`. */
  sink({ startUs, timeScale }: RunTime): RunSink {
    const startS = Date.now() / 1000 - (monotonicUs() - startUs) / 1e6;
    this.#nowS = () => startS + (monotonicUs() - startUs) / timeScale / 1e6;
    return {
      taken: (request) => {
        const { arrivedUs, pipeline, bytes } = request;
        const row: Row = { arrivedS: startS + arrivedUs / 1e6, pipeline, bytes, end: null };
        this.#open.set(request, row);
        this.#rows.push(row);
      },
      ended: (request, outcome, nowUs) => {
        const row = this.#open.get(request);
        if (row !== undefined) row.end = { outcome, latencyMs: (nowUs - request.arrivedUs) / 1000 };
        this.#open.delete(request);
      },
    };
  }

  /** The gateway refused a request before it took it. */
  turnedAway(pipeline: number, bytes: number): void {
    const end = { outcome: "refused", latencyMs: null } as const;
    this.#rows.push({ arrivedS: this.#nowS(), pipeline, bytes, end });
  }

  /** Writes all rows up to the first whose request has not ended. */
  flush(): void {
    const surplus = this.#rows.length - MOST_WAITING;
    const ended = this.#rows.findIndex(({ end }, i) => end === null && i >= surplus);
    this.#write(ended < 0 ? this.#rows.length : ended);
  }

  /** Writes everything; the outcome of requests that have not ended stays empty. */
  close(): void {
    clearInterval(this.#flushes);
    this.#write(this.#rows.length);
  }

  #write(count: number): void {
    if (count === 0) return;
    // Clients may say when they meant to send, so that arrivals are not quite in order.
    const rows = this.#rows.splice(0, count).sort((a, b) => a.arrivedS - b.arrivedS);
    if (this.#isBroken) return;
    try {
      this.#append(rows.map((row) => this.#line(row)).join(""));
    } catch (error) {
      this.#isBroken = true;
      this.#failed(`requests are recorded in ${this.#file} no longer: ${(error as Error).message}`);
    }
  }

  #line({ arrivedS, pipeline, bytes, end }: Row): string {
    this.#lastS = Math.max(this.#lastS, arrivedS);
    const latency = end?.latencyMs == null ? "" : end.latencyMs.toFixed(3);
    const name = this.#names[pipeline];
    return `${this.#lastS.toFixed(6)},${name},${bytes},${end?.outcome ?? ""},${latency}\n`;
  }
}
