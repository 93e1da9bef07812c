/** A part of the bench: something measured, with what was asked of it. */
import type { WorkloadName } from "./reference-workloads.ts";

export interface BenchOptions {
  /** Every number of requests is multiplied by this; targets are judged at 1 only. */
  readonly scale: number;
  /** How often each program runs; at least 2. */
  readonly rounds: number;
  readonly workloads: readonly WorkloadName[];
  /** Names of peers to compare with. */
  readonly peers: readonly string[];
  /** The Python that SimPy is installed for. */
  readonly python: string;
  /** An empty folder that goes when the bench ends. */
  readonly scratch: string;
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
