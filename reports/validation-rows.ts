/** Validated configurations with their letters, and the metrics that were judged. */

import type {
  MetricJudgement,
  MetricName,
  ValidationDocument,
  ValidationResult,
  Verdict,
} from "../core/results.ts";
import { METRICS } from "../core/results.ts";
import { plural } from "./format.ts";
import { metricLabel } from "./metric-labels.ts";
import { configurationLabel, sweepAxes } from "./parameters.ts";

export interface Lettered {
  /** A, B, …, Z, AA, …: short enough to stand beside a point. */
  readonly letter: string;
  readonly label: string;
  readonly result: ValidationResult;
}

export const BACKENDS: Readonly<Record<ValidationResult["measured"]["backend"], string>> = {
  onnx: "models ran on ONNX Runtime",
  external: "models ran on servers outside this deployment",
  process: "models ran in commands that serve the Open Inference Protocol",
  real: "each model ran by its own implementation",
  replay: "measured times replayed, no GPU/model ran",
};

function letterOf(index: number): string {
  const last = String.fromCharCode(65 + (index % 26));
  return index < 26 ? last : letterOf(Math.floor(index / 26) - 1) + last;
}

/** Every validated configuration with its letter and label, in document order. */
export function lettered(document: ValidationDocument): readonly Lettered[] {
  const axes = sweepAxes(document);
  return document.configurations.map((result, index) => ({
    letter: letterOf(index),
    label: configurationLabel(result, axes),
    result,
  }));
}

/** Metrics with an error or a tolerance in any configuration, in the usual order. */
export function judgedMetrics(document: ValidationDocument): readonly MetricName[] {
  return METRICS.filter((name) =>
    document.configurations.some(
      (one) => one.error[name] !== undefined || one.tolerance[name] !== undefined,
    ),
  );
}

const VERDICTS: readonly (readonly [Verdict, one: string, several: string])[] = [
  ["agrees", "agrees", "agree"],
  ["disagrees", "disagrees", "disagree"],
  ["cannot tell", "cannot tell", "cannot tell"],
];

/** "7 agree, 1 disagrees, 1 cannot tell": one line over all verdicts. */
export function verdictSummary(document: ValidationDocument): string {
  const parts = VERDICTS.flatMap(([verdict, one, several]) => {
    const count = document.configurations.filter((each) => each.verdict === verdict).length;
    return count === 0 ? [] : [`${count} ${count === 1 ? one : several}`];
  });
  const count = plural(document.configurations.length, "configuration");
  return `${count} validated: ${parts.join(", ")}`;
}

/** Why metrics cannot be told and what would settle them: a line for each reason of a configuration. */
export function doubts(document: ValidationDocument): readonly string[] {
  return lettered(document).flatMap(({ letter, result }) => {
    const lines = new Map<string, string[]>();
    for (const name of judgedMetrics(document)) {
      const judgement = result.judgements[name];
      if (judgement?.reason === undefined) continue;
      const line = [judgement.reason, ...settlingText(judgement)].join("; ");
      lines.set(line, [...(lines.get(line) ?? []), metricLabel(name).text]);
    }
    return [...lines].map(
      ([line, names]) => `${letter} cannot tell yet: ${names.join(", ")}: ${line}`,
    );
  });
}

function settlingText({ settledBy }: MetricJudgement): readonly string[] {
  if (settledBy === undefined) return [];
  const { runs, secondsPerRun } = settledBy;
  const ways = [
    ...(runs === null ? [] : [`about ${runs} runs`]),
    ...(secondsPerRun === null ? [] : [`runs of about ${secondsPerRun} s`]),
  ];
  return ways.length === 0
    ? ["it lies too near the tolerance's edge for any feasible number of runs to settle it"]
    : [`${ways.join(", or ")} would settle it`];
}
