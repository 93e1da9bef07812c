/**
 * The PLASTER card: the seven measures of an inference service, and which of them these results hold.
 * Source: TIRIAS Research, "PLASTER: A Framework for Deep Learning Performance", 2018.
 */
import type { ProvenanceDocument } from "../../core/provenance.ts";
import type { ConfigurationResult, Estimate, MetricName } from "../../core/results.ts";
import { figureText, formatNumber, metricLabel } from "./format.ts";
import type { Cell, Table } from "./table.ts";

export function plasterTable(
  one: ConfigurationResult,
  provenance: ProvenanceDocument | undefined,
): Table {
  const rows: readonly (readonly [name: string, value: string | undefined, how: string])[] = [
    [
      "Programmability",
      undefined,
      "not a number: models are named in a scenario, and run on ONNX Runtime, in a command, or on another server",
    ],
    ["Latency", figures(one, ["latencyMeanMs", "latencyP99Ms"]), "from arrival to answer"],
    [
      "Accuracy",
      figures(one, ["accuracyMean"]),
      "of the models' answers, as the scenario gives it",
    ],
    ["Size of model", sizes(provenance), "growth of memory when calibration loaded it"],
    [
      "Throughput",
      figures(one, ["throughputPerS", "goodputPerS"]),
      "answers, and answers within the goal",
    ],
    [
      "Energy efficiency",
      figures(one, ["energyJoulesPerRequest"]),
      "by the power that the scenario gives its devices",
    ],
    ["Rate of learning", undefined, "training is outside of this program"],
  ];
  return {
    caption: `PLASTER, of ${one.id}`,
    headings: ["measure", "value", "how it is known here"],
    rows: rows.map(([name, value, how]): Cell[] => [
      { text: name },
      value === undefined ? { text: "not measured", state: "warn" } : { text: value },
      { text: how },
    ]),
  };
}

function figures(one: ConfigurationResult, names: readonly MetricName[]): string | undefined {
  const known = names.flatMap((name) => {
    const estimate: Estimate | undefined = one.metrics[name];
    const { text, unit } = metricLabel(name);
    return estimate === undefined
      ? []
      : `${text} ${figureText(one, name, estimate)} ${unit}`.trim();
  });
  return known.length === 0 ? undefined : known.join(", ");
}

function sizes(provenance: ProvenanceDocument | undefined): string | undefined {
  const known = Object.values(provenance?.inputs.profiles ?? {}).flatMap(
    ({ load, provenance: of }) =>
      load === undefined ? [] : `${of.model} ${formatNumber(load.memoryMb)} MB`,
  );
  return known.length === 0 ? undefined : known.join(", ");
}
