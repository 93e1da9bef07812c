/** A part of the bench: its measurements compared in turn with those of another program, and what was asked of it. */

import { meanOf, studentT, sumOf } from "../../engine/statistics/estimate.ts";
import { LATENCIES, type Measurement, type PeerSetting, type WorkloadName } from "./programs.ts";

export interface BenchOptions extends PeerSetting {
  /** Every number of requests is multiplied by this; targets are judged at 1 only. */
  readonly scale: number;
  /** How often each program runs; at least 2. */
  readonly rounds: number;
  readonly workloads: readonly WorkloadName[];
  /** Names of peers to compare with. */
  readonly peers: readonly string[];
}

export interface Target {
  readonly what: string;
  readonly asked: string;
  readonly found: string;
  readonly met: boolean;
}

type Bound = { readonly least: number } | { readonly most: number };

/** States the target of a number, and whether the number meets it; `digits` round the number. */
export function target(
  what: string,
  value: number,
  bound: Bound,
  digits: number,
  unit = "",
): Target {
  const found = `${value.toFixed(digits)}${unit}`;
  return "least" in bound
    ? { what, asked: `at least ${bound.least}${unit}`, found, met: value >= bound.least }
    : { what, asked: `at most ${bound.most}${unit}`, found, met: value <= bound.most };
}

export interface PartResult {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly targets: readonly Target[];
  /** Omitted measurements, each with the next step. */
  readonly skipped: readonly string[];
}

export interface Part {
  readonly name: string;
  readonly about: string;
  run(options: BenchOptions): PartResult;
}

/** `full` requests at scale 1, and never so few that a p99 means nothing. */
export function requestsAt({ scale }: BenchOptions, full: number): number {
  return Math.max(1000, Math.round(full * scale));
}

/** Targets are for full size: at another scale they are shown and not judged. */
export function partText(part: Part, result: PartResult, scale: number): string {
  const { head, rows, targets, skipped } = result;
  const table = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  const verdict = (met: boolean): string => {
    if (scale !== 1) return `not judged at --scale ${scale}`;
    return met ? "met" : "not met";
  };
  const lines = [
    "",
    `## ${part.name}: ${part.about}`,
    "",
    ...(rows.length === 0 ? [] : [...table, ""]),
    ...targets.map(
      ({ what, asked, found, met }) => `- ${what}: ${found}, asked ${asked}: ${verdict(met)}`,
    ),
    ...skipped.map((message) => `- skipped: ${message}`),
  ];
  return `${lines.join("\n")}\n`;
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
