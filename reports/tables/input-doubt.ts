/** How well calibration knows its inputs, as far as it reaches into figures: the parts of ±, and what to measure longer. */

import type { Estimate } from "../../engine/statistics/estimate.ts";
import type { ConfigurationResult, ResultsDocument } from "../../results/documents.ts";
import { formatNumber, metricLabel } from "./format.ts";
import { configurationLabel, sweepAxes } from "./parameters.ts";

/** "simulation 4, calibration 16"; empty where the parts are not known. */
export function partsText({ parts }: Pick<Estimate, "parts">, scale = 1): string {
  if (parts === undefined) return "";
  const [simulation, inputs] = [parts.simulation, parts.inputs].map((half) =>
    formatNumber(half * scale, 2),
  );
  return `simulation ${simulation}, calibration ${inputs}`;
}

/** More configurations are summed up by the one of which least is known. */
const MOST_LINES = 4;

const METRIC = "latencyMeanMs";

/** The parts of the mean latency's ±, and the input that is worth measuring longer. None where no doubt is known. */
export function doubtLines(
  document: Pick<ResultsDocument, "configurations" | "parameterKinds" | "command">,
): readonly string[] {
  const known = document.configurations.flatMap((one) => {
    const mean = one.metrics[METRIC];
    return mean?.parts === undefined
      ? []
      : [{ one, mean, relative: mean.parts.inputs / mean.mean }];
  });
  if (known.length === 0) return [];
  const axes = sweepAxes(document);
  const worst = known.reduce((a, b) => (b.relative > a.relative ? b : a));
  const shown = known.length <= MOST_LINES ? known : [worst];
  const lines = shown.map(({ one, mean }) => {
    const whose = document.configurations.length === 1 ? "" : `${configurationLabel(one, axes)}: `;
    const figure = `${formatNumber(mean.mean)} ± ${formatNumber(mean.halfWidth95, 2)} ms`;
    return `${whose}${metricLabel(METRIC).text} ${figure}: ${partsText(mean)}`;
  });
  return [...lines, ...worthMeasuring(worst.one, worst.mean, document.command)];
}

/** Four times as long as by default halves the interval, where drift allows. */
const LONGER_S = 480;
const MOST_NAMES = 2;

/** None where more replications do more. */
function worthMeasuring(
  { inputs }: ConfigurationResult,
  { parts }: Estimate,
  command: string,
): readonly string[] {
  const shares = Object.entries(inputs?.shares ?? {}).slice(0, MOST_NAMES);
  if (parts === undefined || parts.inputs <= parts.simulation || shares.length === 0) return [];
  const names = shares.map(([name, share]) => `${name} (${formatNumber(100 * share, 2)}%)`);
  const [, program, scenario] = /^(.*) simulate ('(?:[^']|'\\'')*'|\S+)/.exec(command) ?? [];
  const longer = `calibrate ${scenario} --max-seconds ${LONGER_S}`;
  const how = scenario === undefined ? "" : `: ${program} ${longer}`;
  return [`most of calibration's part comes from ${names.join(", then ")}; measure longer${how}`];
}
