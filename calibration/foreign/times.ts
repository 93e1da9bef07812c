/** Service times that other tools measured, as they are read from a file, and what is refused. */

import { Fault, type Issue } from "../../engine/basics/fault.ts";

export const FOREIGN_FORMATS = [
  "perf-analyzer-csv",
  "perf-analyzer-json",
  "model-analyzer-csv",
  "loadgen",
  "nexus",
  "csv",
] as const;
export type ForeignFormat = (typeof FOREIGN_FORMATS)[number];

/** How single times lie around their mean, as far as the file tells. */
export type Spread =
  | { readonly kind: "none" }
  | { readonly kind: "deviation"; readonly us: number }
  /** Ascending shares in (0, 1) with the times below which they lie, µs. */
  | { readonly kind: "percentiles"; readonly points: readonly (readonly [number, number])[] }
  | { readonly kind: "samples"; readonly us: readonly number[] };

export interface ForeignBatch {
  readonly batch: number;
  /** Null where the file does not say. */
  readonly samples: number | null;
  readonly meanUs: number;
  readonly spread: Spread;
}

export interface ForeignTimes {
  readonly format: ForeignFormat;
  /** As the file names them; null where it does not. */
  readonly model: string | null;
  readonly device: string | null;
  readonly batches: readonly ForeignBatch[];
  /** Facts about the measurement that the user should know. */
  readonly notes: readonly string[];
}

/** Columns of a plain CSV file by their meaning, with the unit of its times. */
export interface CsvColumns {
  readonly time: string;
  readonly unit: "s" | "ms" | "us" | "ns";
  /** Without it, all rows are of `batch`. */
  readonly batch?: string | undefined;
  readonly deviation?: string | undefined;
}

export interface ForeignReading {
  readonly file: string;
  readonly text: string;
  /** Default: detected. */
  readonly format?: ForeignFormat | undefined;
  /** Batch size of a file that does not tell it; default 1. */
  readonly batch?: number | undefined;
  readonly csv?: CsvColumns | undefined;
}

export const MAX_ISSUES = 10;

export function refused(file: string, issues: readonly Issue[]): Fault {
  const count = issues.length === 1 ? "1 issue" : `${issues.length} issues`;
  return new Fault("invalid-input", `${file}: ${count}`, {
    issues: issues.map((issue) => ({ ...issue, file })),
  });
}

export function assumedBatch(asked: number | undefined): readonly string[] {
  return asked === undefined ? ["batch size 1 is assumed: --batch gives another"] : [];
}

/** By batch size, each once. Times per job that differ a thousandfold between sizes are a mixture of units. */
export function ascending(file: string, batches: readonly ForeignBatch[]): readonly ForeignBatch[] {
  const sorted = [...batches].sort((a, b) => a.batch - b.batch);
  const issues = sorted.flatMap(({ batch, meanUs }, i): Issue[] => {
    const path = `batch ${batch}`;
    if (!Number.isInteger(batch)) return [{ path, message: "expected a whole number of inputs" }];
    const before = sorted[i - 1];
    if (before === undefined) return [];
    if (before.batch === batch) {
      return [{ path, message: "is there twice", hint: "keep the rows of one run" }];
    }
    const ratio = (meanUs / before.meanUs) * (before.batch / batch);
    if (ratio < 300 && ratio > 1 / 300) return [];
    const message = `takes ${ratio.toPrecision(2)} times as long per input as batch ${before.batch}`;
    return [{ path, message, hint: "do the rows have different units?" }];
  });
  if (sorted.length === 0) issues.push({ path: "", message: "there are no times in it", line: 1 });
  if (issues.length > 0) throw refused(file, issues.slice(0, MAX_ISSUES));
  return sorted;
}
