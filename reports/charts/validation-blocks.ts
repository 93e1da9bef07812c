/** A validation of real models over time: each block's mean latency beside its predictions, and the host's pace. */
import type { ValidationDocument } from "../../results/validation.ts";
import { formatNumber } from "../tables/format.ts";
import { lettered } from "../tables/validation-tables.ts";
import { type Drawn, panelFacet, titled } from "./encodings.ts";
import { panelWidth } from "./theme.ts";

const MEASURED = "measured";
const PREDICTED = "predicted, stored profiles";
const INFORMED = "predicted, times between the blocks";

/** Undefined where no configuration was run in blocks. */
export function validationBlocks(document: ValidationDocument): Drawn {
  const rows = lettered(document).flatMap(({ letter, result }) => {
    const { blocks = [], brackets = [] } = result;
    const panel = (what: string): string => `${letter}: ${what}`;
    const latencies = blocks.flatMap(({ atS, measuredMeanMs, predictedMeanMs, informedMeanMs }) =>
      [
        [MEASURED, measuredMeanMs] as const,
        [PREDICTED, predictedMeanMs] as const,
        [INFORMED, informedMeanMs] as const,
      ].map(([side, value]) => rowOf(panel("mean latency (ms)"), side, atS, value)),
    );
    const models = Object.keys(brackets[0]?.workUs ?? {});
    const paceOf = (side: string, value: (bracket: (typeof brackets)[number]) => number) => {
      const first = brackets[0] === undefined ? Number.NaN : value(brackets[0]);
      return brackets.flatMap((bracket) => {
        const ratio = value(bracket) / first;
        const of = panel("time between the blocks, over the first");
        return Number.isFinite(ratio) ? rowOf(of, side, bracket.atS, ratio) : [];
      });
    };
    return [
      ...latencies,
      ...paceOf("host's probe", ({ probeUs }) => probeUs),
      ...models.flatMap((model) => paceOf(model, ({ workUs }) => workUs[model])),
    ];
  });
  if (rows.length === 0) return undefined;
  const panels = [...new Set(rows.map(({ panel }) => panel))];
  const width = panelWidth(1);
  return {
    ...titled(
      "Real against predicted, block by block",
      "below: each model's time in the pipeline under light load, and the host's probe, over those of the first bracket",
    ),
    data: { values: rows },
    columns: 1,
    facet: panelFacet(panels, width),
    resolve: { scale: { y: "independent" } },
    spec: {
      width,
      height: 150,
      mark: { type: "line", point: true },
      encoding: {
        x: { field: "atS", type: "quantitative", title: "time since the first bracket (s)" },
        y: { field: "value", type: "quantitative", title: null, scale: { zero: false } },
        color: { field: "side", type: "nominal", title: null, sort: null },
        tooltip: { field: "tip" },
      },
    },
  };
}

function rowOf(panel: string, side: string, atS: number, value: number) {
  const tip = `${side} at ${formatNumber(atS)} s: ${formatNumber(value, 4)}`;
  return { panel, side, atS, value, tip };
}
