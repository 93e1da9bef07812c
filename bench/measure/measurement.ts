import { meanOf, studentT, sumOf } from "../../core/statistics/estimate.ts";

/** One line of JSON about one simulation, printed by every measured program. */
export interface Measurement {
  /** Arrivals and ends of service. */
  readonly events: number;
  /** By the clock on the wall. */
  readonly seconds: number;
  /** By the processor time of all the process's threads, collection of garbage included. */
  readonly cpuSeconds: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export const LATENCIES = ["meanMs", "p50Ms", "p99Ms"] as const;
const FIELDS = ["events", "seconds", "cpuSeconds", ...LATENCIES] as const;

/** Throws if `text` is not a measurement with a positive number in every field. */
export function parseMeasurement(text: string): Measurement {
  const parsed = JSON.parse(text) as Partial<Record<(typeof FIELDS)[number], unknown>>;
  for (const field of FIELDS) {
    const value = parsed[field];
    if (typeof value !== "number" || !(value > 0)) {
      throw new Error(`expected a positive number as ${field}, got ${text.trim()}`);
    }
  }
  return parsed as Measurement;
}

export const eventsPerCpuS = ({ events, cpuSeconds }: Measurement): number => events / cpuSeconds;

/** Several measurements of one figure: their median, and the range that says how steady it is. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** The median of an even number is the lower of the two in the middle; `values` is not empty. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const median = sorted[(sorted.length - 1) >> 1];
  return { median, least: sorted[0], most: sorted[sorted.length - 1] };
}

/** `0.32 (0.30 to 0.33)`. */
export function shown({ median, least, most }: Spread, digits = 2): string {
  return `${median.toFixed(digits)} (${least.toFixed(digits)} to ${most.toFixed(digits)})`;
}

/** `rounds` times the first and then the second, each with the round's own seed, from 1. */
export function inTurn<First, Second>(
  rounds: number,
  first: (seed: number) => First,
  second: (seed: number) => Second,
): (readonly [First, Second])[] {
  return Array.from({ length: rounds }, (_, round) => [first(round + 1), second(round + 1)]);
}

/** The latencies of a run, in ms. */
export type Latencies = Pick<Measurement, "meanMs" | "p50Ms" | "p99Ms">;

/** Each side of each test; a whole bench makes about a hundred two-sided ones. */
const TAIL = 1e-4;

/**
 * The disagreement of two programs in words; null if their results are equal but for chance. At
 * least two runs each, with seeds of their own.
 * Source: Welch, "The generalization of Student's problem", Biometrika 34, 1947.
 */
export function disagreement(
  ours: readonly Latencies[],
  theirs: readonly Latencies[],
): string | null {
  const found = LATENCIES.flatMap((metric) => {
    const a = sample(ours.map((run) => run[metric]));
    const b = sample(theirs.map((run) => run[metric]));
    const error = Math.sqrt(a.errorSquared + b.errorSquared);
    const freedom =
      error ** 4 / (a.errorSquared ** 2 / a.freedom + b.errorSquared ** 2 / b.freedom);
    // Closed forms are for whole degrees; fewer of them give the wider interval.
    const limit = studentT(Math.max(1, Math.floor(freedom)), TAIL) * error;
    const difference = Math.abs(a.mean - b.mean);
    return difference <= limit
      ? []
      : [
          `${metric} ${a.mean.toFixed(2)} against ${b.mean.toFixed(2)}, chance gives ${limit.toFixed(2)}`,
        ];
  });
  return found.length === 0 ? null : found.join("; ");
}

function sample(values: readonly number[]) {
  const mean = meanOf(values);
  const squares = sumOf(values.map((value) => (value - mean) ** 2));
  const freedom = values.length - 1;
  return { mean, errorSquared: squares / freedom / values.length, freedom };
}
