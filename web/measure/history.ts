/**
 * The last runs of this page, kept in the browser over a reload: what was sent to which configuration, and how long the
 * answers took. The oldest are dropped.
 */
import type { GatewayStatus } from "../../library/browser.ts";
import { parsedJson, replicasText } from "../shared/client.ts";
import { mean, quantile } from "../shared/format.ts";
import { Store } from "../shared/store.ts";
import type { Answer } from "./measuring.ts";
import type { Workload } from "./requests.ts";

/** A mean or quantile with the ends of its 95% interval; these are null where answers are too few. */
export interface Interval {
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
}

export interface RunRecord {
  /** Its start, as an ISO date: its key, too. */
  readonly at: string;
  readonly scheduler: string;
  /** `detect 2 · plate 1` */
  readonly replicas: string;
  readonly model: string;
  readonly workload: Workload;
  readonly sent: number;
  readonly answers: number;
  /** Null without an answer. */
  readonly meanMs: Interval | null;
  readonly p50Ms: Interval | null;
  readonly p95Ms: Interval | null;
  /** Latencies at the shares 0, 1/40, … 1. */
  readonly curveMs: readonly number[];
}

export const CURVE_STEPS = 40;
const MOST_RUNS = 50;
const KEY = "tandem-runs@1";

export interface Runs {
  /** Newest first. */
  readonly runs: readonly RunRecord[];
}

export const history = new Store<Runs>({ runs: kept() });

export function addRun(run: RunRecord): void {
  keep([run, ...history.snapshot().runs].slice(0, MOST_RUNS));
}

export function clearRuns(): void {
  keep([]);
}

/** Where the browser's room is full, older runs give way. */
function keep(runs: readonly RunRecord[]): void {
  for (let count = runs.length; count >= 0; count--) {
    try {
      localStorage.setItem(KEY, JSON.stringify(runs.slice(0, count)));
      break;
    } catch {}
  }
  history.set({ runs });
}

/** Runs of another format are ignored. */
function kept(): readonly RunRecord[] {
  const found = parsedJson(globalThis.localStorage?.getItem(KEY) ?? "");
  return Array.isArray(found) ? found.filter(isRecord).slice(0, MOST_RUNS) : [];
}

function isRecord(value: unknown): value is RunRecord {
  const { at, scheduler, replicas, model, workload, curveMs, ...of } = (value ??
    {}) as Partial<RunRecord>;
  return (
    [at, scheduler, replicas, model].every((text) => typeof text === "string") &&
    [of.sent, of.answers].every((count) => typeof count === "number") &&
    [of.meanMs, of.p50Ms, of.p95Ms].every(
      (one) => one === null || typeof one?.value === "number",
    ) &&
    typeof workload?.arrivals === "string" &&
    Array.isArray(curveMs)
  );
}

export interface RunFacts extends Pick<RunRecord, "at" | "model" | "workload" | "sent"> {
  /** The server's status at the start; null where it tells none. */
  readonly status: GatewayStatus | null;
  readonly answers: readonly Answer[];
}

export function recordOf({ status, answers, ...facts }: RunFacts): RunRecord {
  const done = answers.filter(({ outcome }) => outcome === "completed");
  const inOrder = done.toSorted((a, b) => a.dueMs - b.dueMs).map(({ latencyMs }) => latencyMs);
  const sorted = inOrder.toSorted((a, b) => a - b);
  const shares = Array.from({ length: CURVE_STEPS + 1 }, (_, i) => i / CURVE_STEPS);
  const known = sorted.length > 0;
  return {
    ...facts,
    scheduler: status?.scheduler ?? "not known",
    replicas: status === null ? "not known" : replicasText(status),
    answers: sorted.length,
    meanMs: known ? meanInterval(inOrder) : null,
    p50Ms: known ? quantileInterval(sorted, 0.5) : null,
    p95Ms: known ? quantileInterval(sorted, 0.95) : null,
    curveMs: known ? shares.map((share) => Math.round(10 * quantile(sorted, share)) / 10) : [],
  };
}

const BATCHES = 10;
/** Student's t at 97.5% for nine degrees of freedom. */
const T9 = 2.262;

/** By the means of ten batches in order, as neighbours wait in one queue and are not independent. */
export function meanInterval(inOrder: readonly number[]): Interval {
  const value = mean(inOrder);
  if (inOrder.length < 2 * BATCHES) return { value, low: null, high: null };
  const size = inOrder.length / BATCHES;
  const means = Array.from({ length: BATCHES }, (_, i) =>
    mean(inOrder.slice(Math.round(i * size), Math.round((i + 1) * size))),
  );
  const centre = mean(means);
  const variance = means.reduce((sum, one) => sum + (one - centre) ** 2, 0) / (BATCHES - 1);
  const half = T9 * Math.sqrt(variance / BATCHES);
  return { value, low: value - half, high: value + half };
}

const LEAST_ABOVE = 5;

/** By order statistics: the ranks that hold the quantile with 95% probability. */
export function quantileInterval(sorted: readonly number[], share: number): Interval {
  const value = quantile(sorted, share);
  const count = sorted.length;
  if (count * (1 - share) < LEAST_ABOVE) return { value, low: null, high: null };
  const half = 1.96 * Math.sqrt(count * share * (1 - share));
  const at = (rank: number) => sorted[Math.min(count - 1, Math.max(0, rank))];
  const low = at(Math.floor(count * share - half) - 1);
  return { value, low, high: at(Math.ceil(count * share + half)) };
}

const COLUMNS = ["at", "scheduler", "replicas", "model", "workload", "sent", "answers"] as const;
const FIGURES = ["meanMs", "p50Ms", "p95Ms"] as const;

/** RFC 4180, with a plain line end. */
export function csvOf(runs: readonly RunRecord[]): string {
  const heads = FIGURES.flatMap((name) => [name, `${name}Low`, `${name}High`]);
  const rows = runs.map((run) => [
    ...COLUMNS.map((name) => (name === "workload" ? JSON.stringify(run[name]) : run[name])),
    ...FIGURES.flatMap((name) => [run[name]?.value, run[name]?.low, run[name]?.high]),
  ]);
  const field = (cell: unknown): string => {
    const text = cell === null || cell === undefined ? "" : String(cell);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [[...COLUMNS, ...heads], ...rows].map((row) => `${row.map(field).join(",")}\n`).join("");
}
