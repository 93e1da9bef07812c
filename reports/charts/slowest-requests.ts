/** The latency of the slowest requests, taken apart: waits and service of each task on the critical path. */
import type { TopLevelSpec } from "vega-lite";
import type { RunDetail } from "../../core/run-detail.ts";
import { formatCount, formatNumber } from "../tables/format.ts";
import { byName, KEY_MARK, titled } from "./encodings.ts";
import { MUTED } from "./theme.ts";

const WAITING = "waiting";
const SERVICE = "service";

function partsOf({ tail, side }: RunDetail) {
  const several = new Set(tail.parts.map((part) => part.pipeline)).size > 1;
  const rows = tail.parts.flatMap(({ pipeline, task, waitMs, serviceMs }) => {
    const name = several ? `${pipeline}: ${task}` : task;
    return [
      { ...{ part: name, kind: WAITING }, ms: waitMs },
      { ...{ part: name, kind: SERVICE }, ms: serviceMs },
    ];
  });
  return [...rows, { part: "ways and gateway", kind: SERVICE, ms: tail.otherMs }]
    .filter(({ ms }) => ms > 0)
    .map(({ part, kind, ms }, order) => ({
      ...{ side, part, kind, ms, order },
      key: KEY_MARK,
      tip: `${part}, ${kind}; ${formatNumber(ms)} ms of ${formatNumber(tail.meanMs)} ms; ${formatNumber((100 * ms) / tail.meanMs)} %; ${side}`,
    }));
}

/** Undefined without a run in detail. */
export function slowestRequests(details: readonly RunDetail[]): TopLevelSpec | undefined {
  const known = details.filter(({ tail }) => tail.parts.length > 0);
  if (known.length === 0) return undefined;
  const rows = known.flatMap(partsOf);
  const parts = [...new Set(rows.map(({ part }) => part))];
  const counts = known.map(
    ({ side, tail }) =>
      `${side}: ${formatCount(tail.count)} requests of ${formatNumber(tail.fromMs)} ms and more`,
  );
  return {
    ...titled(
      "What makes the slowest requests slow",
      `mean over the slowest 1 %, along the critical path; ${counts.join("; ")}`,
    ),
    description: `Parts of the latency of the slowest requests: ${parts.join(", ")}.`,
    data: { values: rows },
    width: 880,
    height: { step: 44 },
    mark: { type: "bar", description: { expr: "datum.tip + datum.key" } },
    encoding: {
      y: { field: "side", type: "nominal", title: null, sort: ["simulated", "measured"] },
      x: {
        field: "ms",
        type: "quantitative",
        title: "latency (ms)",
        stack: "zero",
        axis: { labelOverlap: true },
      },
      order: { field: "order", type: "quantitative" },
      color: {
        ...byName("part", parts),
        legend: { orient: "bottom", columns: 4, labelLimit: 260 },
      },
      opacity: {
        field: "kind",
        type: "nominal",
        title: null,
        scale: { domain: [WAITING, SERVICE], range: [0.45, 1] },
        legend: { orient: "bottom", symbolFillColor: MUTED },
      },
      tooltip: { field: "tip" },
    },
  };
}
