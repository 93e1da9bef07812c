/** A Gantt chart of replicas: a bar for each batch, predicted above measured. */

import type { TopLevelSpec } from "vega-lite";
import type {
  ConfigurationResult,
  GanttBar,
  ResultsDocument,
  ValidationDocument,
} from "../../core/results.ts";
import { formatNumber, plural } from "../tables/format.ts";
import { configurationLabel, sweepAxes } from "../tables/parameters.ts";
import { byName, type Layer, titled } from "./encodings.ts";
import { NARROW_PX } from "./narrow.ts";
import { PALETTE, PAPER } from "./theme.ts";

const MOST_BARS = 90;
const MOST_REPLICAS = 32;
const WIDTH = 920;
/** Wide enough for a number. */
const LABELLED_PX = 20;
/** Unlike INK and PAPER these stay as they are on a dark page, as the bars do. */
const ON_LIGHT = "#000000";
const ON_DARK = "#fefefe";

interface Side {
  readonly name: string;
  readonly bars: readonly GanttBar[];
}

interface Chosen {
  readonly label: string;
  readonly sides: readonly Side[];
}

function choose(
  document: ResultsDocument,
  validation: ValidationDocument | undefined,
): Chosen | undefined {
  const measured = validation?.configurations.find((one) => one.measured.gantt?.length);
  if (measured !== undefined) {
    const sides = [
      { name: "predicted", bars: measured.gantt ?? [] },
      { name: "measured", bars: measured.measured.gantt ?? [] },
    ];
    const label = configurationLabel(measured, sweepAxes(validation ?? document));
    return { label, sides: sides.filter((side) => side.bars.length > 0) };
  }
  const has = (one: ConfigurationResult) => one.gantt?.length;
  const simulated = document.configurations.find(has) ?? validation?.configurations.find(has);
  if (simulated?.gantt === undefined) return undefined;
  const label = configurationLabel(simulated, sweepAxes(document));
  return { label, sides: [{ name: "predicted", bars: simulated.gantt }] };
}

/** The window that shows at most `most` bars on every side, from the earliest start. */
function windowOf(
  sides: readonly Side[],
  most: number,
): { fromMs: number; toMs: number; whole: boolean } {
  const fromMs = Math.min(...sides.flatMap((side) => side.bars.map((bar) => bar.startMs)));
  const lastMs = Math.max(...sides.flatMap((side) => side.bars.map((bar) => bar.endMs)));
  const ends = sides.map((side) => {
    const starts = side.bars.map((bar) => bar.startMs).sort((a, b) => a - b);
    return starts[most] ?? lastMs;
  });
  const toMs = Math.max(Math.min(...ends), fromMs + 1);
  return { fromMs, toMs, whole: toMs >= lastMs };
}

function naturally(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

/** Text colour on a bar of the given palette entry: dark on the light ones. */
function inkOn(index: number): string {
  const light = ["#cc79a7", "#e69f00", "#56b4e9", "#8a8f98"];
  return light.includes(PALETTE[index % PALETTE.length] as string) ? ON_LIGHT : ON_DARK;
}

function rowsOf(
  sides: readonly Side[],
  replicas: readonly string[],
  tasks: readonly string[],
  fromMs: number,
  toMs: number,
  width: number,
) {
  const labelledMs = (LABELLED_PX / width) * (toMs - fromMs);
  return sides.flatMap((side) =>
    side.bars
      .filter((bar) => bar.startMs < toMs && replicas.includes(bar.replica))
      .map((bar) => ({
        side: side.name,
        replica: bar.replica,
        task: bar.task,
        startMs: bar.startMs,
        endMs: Math.min(bar.endMs, toMs),
        batch: bar.batch,
        ink: inkOn(tasks.indexOf(bar.task)),
        wide: Math.min(bar.endMs, toMs) - bar.startMs > labelledMs,
        tip:
          `${bar.replica}; ${bar.task}, batch of ${bar.batch}; ` +
          `${formatNumber(bar.startMs, 5)} to ${formatNumber(bar.endMs, 5)} ms; ` +
          `took ${formatNumber(bar.endMs - bar.startMs)} ms`,
      })),
  );
}

function layers(replicas: readonly string[], tasks: readonly string[], span: number[]): Layer[] {
  const x = {
    type: "quantitative" as const,
    title: "time from start of run (ms)",
    axis: { tickCount: 10 },
    scale: { domain: span, nice: false },
  };
  const y = { field: "replica", type: "nominal" as const, sort: [...replicas], title: "replica" };
  const color = byName("task", tasks, PALETTE, "task");
  return [
    {
      mark: { type: "bar", height: { band: 0.78 }, stroke: PAPER, strokeWidth: 1, clip: true },
      encoding: {
        x: { ...x, field: "startMs" },
        x2: { field: "endMs" },
        y,
        color,
        tooltip: { field: "tip" },
        description: { field: "tip" },
      },
    },
    {
      transform: [
        { filter: "datum.wide" },
        { calculate: "(datum.startMs + datum.endMs) / 2", as: "middleMs" },
      ],
      mark: { type: "text", fontSize: 10, clip: true, aria: false },
      encoding: {
        x: { ...x, field: "middleMs" },
        y,
        text: { field: "batch" },
        color: { field: "ink", type: "nominal", title: "task", scale: null },
      },
    },
  ];
}

/** The first batches of one configuration, a validated one if any; undefined without bars. */
export function gantt(
  document: ResultsDocument,
  validation?: ValidationDocument,
  isNarrow = false,
): TopLevelSpec | undefined {
  const chosen = choose(document, validation);
  if (chosen === undefined) return undefined;
  const { label, sides } = chosen;
  const width = isNarrow ? NARROW_PX : WIDTH;
  const { fromMs, toMs, whole } = windowOf(sides, Math.ceil((MOST_BARS * width) / WIDTH));
  const names = new Set(sides.flatMap((side) => side.bars.map((bar) => bar.replica)));
  const all = [...names].sort(naturally);
  const replicas = all.slice(0, MOST_REPLICAS);
  const tasks = [...new Set(sides.flatMap((side) => side.bars.map((bar) => bar.task)))].sort();
  const rows = rowsOf(sides, replicas, tasks, fromMs, toMs, width);
  const cut = all.length > replicas.length ? `; ${replicas.length} of ${all.length} replicas` : "";
  const span = whole ? "the whole run" : `the first ${formatNumber(toMs - fromMs)} ms`;
  return {
    ...titled("Replicas at work", `${label}: ${span}${cut}; numbers are batch sizes`),
    description:
      `Gantt chart of ${plural(rows.length, "batch", "batches")} on ` +
      `${plural(replicas.length, "replica")}: ${sides.map((side) => side.name).join(" and ")}.`,
    data: { values: rows },
    facet: {
      row: {
        field: "side",
        type: "nominal",
        sort: sides.map((side) => side.name),
        header: { title: null, labelAngle: 0, labelAlign: "left" },
      },
    },
    spec: {
      width,
      height: { step: 22 },
      layer: layers(replicas, tasks, [fromMs, toMs]),
    },
  };
}
