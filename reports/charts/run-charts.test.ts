import type { TopLevelSpec } from "vega-lite";
import { expect, test } from "vitest";
import type { RunDetail } from "../../engine/record/run-detail.ts";
import { sweepDocument, validationDocument } from "../documents.test-support.ts";
import { renderSvg } from "../render-chart.ts";
import { latencyCdf } from "./latency.ts";
import { timeline } from "./run-charts.ts";

function detailOf(latencyP50Ms: readonly number[]): RunDetail {
  const level = latencyP50Ms.map(() => 5);
  return {
    side: "simulated",
    id: "base",
    requests: 100,
    tail: { count: 0, ratio: 0, fromMs: 0, meanMs: 0, parts: [], otherMs: 0 },
    series: {
      widthMs: 1000,
      latencyP50Ms,
      highPercentile: 90,
      latencyHighMs: latencyP50Ms.map((ms) => 2 * ms),
      arrivalsPerS: level,
      completionsPerS: level,
      goodputPerS: level,
      waiting: { a: level },
      up: { a: level },
    },
    changes: [],
    services: {},
  };
}

async function dashedLines(spec: TopLevelSpec | undefined): Promise<readonly string[]> {
  const { svg, warnings } = await renderSvg(spec as TopLevelSpec);
  expect(warnings).toEqual([]);
  return svg.match(/<line [^>]*stroke-dasharray="5,4"[^>]*>/g) ?? [];
}

const LINEAR = [100, 110, 120, 130, 120, 110];
const LOG = [1, 3, 10, 30, 100, 300];

test.each([
  ["linear", LINEAR],
  ["logarithmic", LOG],
])("the SLO of a run over time is drawn on a %s axis, where it is told", async (_, latencies) => {
  const drawn = timeline(detailOf(latencies), { latencyMs: 500, percentile: 99 });
  expect(await dashedLines(drawn)).toHaveLength(1);
  expect(JSON.stringify(drawn?.title)).toContain("; dashed: SLO of 500 ms");
});

test("an SLO far above the latencies of a run is told, and not drawn", async () => {
  const drawn = timeline(detailOf(LINEAR), { latencyMs: 5000, percentile: 99 });
  expect(await dashedLines(drawn)).toEqual([]);
  expect(JSON.stringify(drawn?.title)).toContain("; SLO of 5000 ms");
});

test("a line at a constant is drawn once in each panel", async () => {
  const cdf = latencyCdf(sweepDocument(), validationDocument(4));
  expect(await dashedLines(cdf)).toHaveLength(4 * 2);
});
