/** Validated configurations with their letters, and the metrics that were judged. */

import type { MetricName, ValidationDocument, ValidationResult, Verdict } from "../core/results.ts";
import { METRICS } from "../core/results.ts";
import { plural } from "./format.ts";
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
  const axes = sweepAxes(document.configurations);
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

/** "7 within tolerance, 1 out of tolerance, 1 refused": one line over all verdicts. */
export function verdictSummary(document: ValidationDocument): string {
  const verdicts: readonly Verdict[] = ["within tolerance", "out of tolerance", "refused"];
  const counts = verdicts.map((verdict) => ({
    verdict,
    count: document.configurations.filter((one) => one.verdict === verdict).length,
  }));
  const parts = counts.filter(({ count }) => count > 0).map((one) => `${one.count} ${one.verdict}`);
  const count = plural(document.configurations.length, "configuration");
  return `${count} validated: ${parts.join(", ")}`;
}
