/** A Gantt chart of replicas: a bar for each batch, predicted above measured. */

import type { GanttBar, ResultsDocument, ValidationDocument } from "../../core/results.ts";
import { formatNumber, plural } from "../tables/format.ts";
import { configurationLabel, sweepAxes } from "../tables/parameters.ts";
import { isFit } from "../tables/validation-tables.ts";
import { byName, type Drawn, type Layer, titled } from "./encodings.ts";
import { NARROW_PX, PALETTE, PAPER } from "./theme.ts";

const MOST_BARS = 90;
const MOST_REPLICAS = 32;
const WIDTH = 920;
const LABELLED_PX = 20;
/** Unlike INK and PAPER these stay as they are on a dark page, as the bars do. */
const ON_LIGHT = "#000000";
const ON_DARK = "#fefefe";

interface Side {
  readonly name: string;
  readonly bars: readonly GanttBar[];
}

/** A validated configuration if any has bars, else a simulated one; no sides without bars. */
function choose(document: ResultsDocument, validation: ValidationDocument | undefined) {
  const validated = validation?.configurations.filter(isFit) ?? [];
  const measured = validated.find((one) => one.measured.gantt?.length);
  const all = [...document.configurations, ...validated];
  const one = measured ?? all.find(({ gantt }) => gantt?.length);
  const swept = measured === undefined ? document : (validation ?? document);
  const sides: readonly Side[] = [
    { name: "predicted", bars: one?.gantt ?? [] },
    { name: "measured", bars: measured?.measured.gantt ?? [] },
  ];
  return {
    label: one === undefined ? "" : configurationLabel(one, sweepAxes(swept)),
    sides: sides.filter(({ bars }) => bars.length > 0),
  };
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
): Drawn {
  const { label, sides } = choose(document, validation);
  if (sides.length === 0) return undefined;
  const width = isNarrow ? NARROW_PX : WIDTH;
  const { fromMs, toMs, whole } = windowOf(sides, Math.ceil((MOST_BARS * width) / WIDTH));
  const names = new Set(sides.flatMap((side) => side.bars.map((bar) => bar.replica)));
  const all = [...names].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
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
