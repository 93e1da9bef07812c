/**
 * Records a gateway's requests in order of arrival, as a trace that `workload: { arrivals: trace }` plays:
 *
 *   arrived_s,pipeline,bytes,outcome,latency_ms
 *
 * `arrived_s` counts seconds since 1970 in the scenario's pace. A restarted gateway goes on in the same file.
 */
import { appendFileSync, existsSync, statSync } from "node:fs";
import type { Outcome } from "../../core/dispatch/driver.ts";
import { Fault } from "../../core/fault.ts";
import { csvCell } from "../../core/scenario/trace.ts";
import type { System } from "../../core/system.ts";
import { monotonicUs } from "../time/monotonic.ts";
import type { RunningRequest, RunSink } from "./run-sink.ts";
import type { RunTime } from "./tracing.ts";

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
    const message = `requests cannot be recorded in ${file}: ${(error as Error).message}`;
    const hint = "give a file in a folder that exists and can be written to";
    throw new Fault("usage", message, { hint });
  }
}

export type ArrivalRecord = ReturnType<typeof arrivalRecord>;

/** Calls `failed` once if the file cannot be written; the gateway goes on. `append` writes one that is elsewhere. */
export function arrivalRecord(
  file: string,
  { pipelines }: System,
  failed: (message: string) => void,
  append = (text: string): void => appendFileSync(file, text),
) {
  const names = pipelines.map(({ name }) => csvCell(name));
  const rows: Row[] = [];
  const open = new Map<RunningRequest, Row>();
  let isBroken = false;
  /** The trace's time of the present instant, s. */
  let nowS = (): number => Date.now() / 1000;
  /** Time of the last row written: a trace does not run backwards. */
  let lastS = 0;
  const lineOf = ({ arrivedS, pipeline, bytes, end }: Row): string => {
    lastS = Math.max(lastS, arrivedS);
    const latency = end?.latencyMs == null ? "" : end.latencyMs.toFixed(3);
    return `${lastS.toFixed(6)},${names[pipeline]},${bytes},${end?.outcome ?? ""},${latency}\n`;
  };
  const write = (count: number): void => {
    // Clients may say when they meant to send, so that arrivals are not quite in order.
    const next = rows.splice(0, count).sort((a, b) => a.arrivedS - b.arrivedS);
    if (isBroken || count === 0) return;
    try {
      append(next.map(lineOf).join(""));
    } catch (error) {
      isBroken = true;
      failed(`requests are recorded in ${file} no longer: ${(error as Error).message}`);
    }
  };
  /** Writes all rows up to the first whose request has not ended. */
  const flush = (): void => {
    const surplus = rows.length - MOST_WAITING;
    const ended = rows.findIndex(({ end }, i) => end === null && i >= surplus);
    write(ended < 0 ? rows.length : ended);
  };
  const flushes = setInterval(flush, FLUSH_MS).unref();
  return {
    flush,
    /** The sink of one run, whose time 0 is at `startUs` of `monotonicUs`. */
    sink({ startUs, timeScale }: RunTime): RunSink {
      const startS = Date.now() / 1000 - (monotonicUs() - startUs) / 1e6;
      nowS = () => startS + (monotonicUs() - startUs) / timeScale / 1e6;
      return {
        taken: (request) => {
          const { arrivedUs, pipeline, bytes } = request;
          const row: Row = { arrivedS: startS + arrivedUs / 1e6, pipeline, bytes, end: null };
          open.set(request, row);
          rows.push(row);
        },
        ended: (request, outcome, nowUs) => {
          const row = open.get(request);
          if (row !== undefined)
            row.end = { outcome, latencyMs: (nowUs - request.arrivedUs) / 1000 };
          open.delete(request);
        },
      };
    },
    /** The gateway refused a request before it took it. */
    turnedAway(pipeline: number, bytes: number): void {
      const end = { outcome: "refused", latencyMs: null } as const;
      rows.push({ arrivedS: nowS(), pipeline, bytes, end });
    },
    /** Writes everything; the outcome of requests that have not ended stays empty. */
    close(): void {
      clearInterval(flushes);
      write(rows.length);
    },
  };
}
