/**
 * Latency and SLO attainment over load, with 95% intervals as bands: the present configuration in full, pins by one
 * figure. They stand on a canvas, where a redraw takes a millisecond.
 */
import { useMemo, useRef, useState } from "react";
import type uPlot from "uplot";
import { figures, milliseconds, precisePercent } from "../shared/format.ts";
import { Legend } from "../shared/parts.tsx";
import { axisOf, type ColorOf, drawGoal, usePlot } from "../shared/plot.tsx";
import { type Choices, type Figure, TIMES, timesWith } from "./choices.ts";
import type { CurveState } from "./curve-store.ts";
import type { Description } from "./messages.ts";
import { estimateOf, isOverloaded, type Reading } from "./readings.tsx";

/** Metrics of a real run at one load, in the units of the axis. */
interface MeasuredPoint {
  readonly load: number;
  /** By metric, as results name them: `latencyP99Ms`, `sloAttainmentRatio`. */
  readonly metrics: Readonly<Record<string, number | null>>;
}

/** Measurements of the cluster as it runs now. */
export interface Measured {
  /** `detect 2 · plate 1 · fifo`: replicas that are up, and the scheduler. */
  readonly configuration: string;
  readonly points: readonly MeasuredPoint[];
}

interface ShownFigure {
  readonly id: Figure;
  readonly name: string;
  readonly dash?: readonly number[];
}

interface ResultChartsProps {
  readonly description: Description;
  readonly choices: Choices;
  /** The present configuration first. */
  readonly readings: readonly Reading[];
  readonly loads: readonly number[];
  readonly load: number;
  /** Pins are shown by it, the present configuration by all times beside it. */
  readonly figure: Figure;
  readonly measured: Measured | undefined;
  readonly onPick: (load: number) => void;
}

/** Share of a ring's radius that is full, of the times that a cluster tells. */
const FILLED: Readonly<Record<string, number>> = { latencyP50Ms: 0, latencyP95Ms: 0.5 };

export function ResultCharts(props: ResultChartsProps) {
  const { description, choices, readings, loads, load, figure, onPick } = props;
  const [present, ...pins] = readings;
  const times = timesWith(figure);
  const shown: readonly ShownFigure[] = times.figures;
  const full = shown.at(-1) as ShownFigure;
  const { name } = shown.find(({ id }) => id === figure) ?? full;
  const latency = [
    ...shown.map((one) => seriesOf(present, loads, one.id, one.name, one.dash)),
    ...pins.map((pin) => seriesOf(pin, loads, figure, `${pin.name} (${name})`)),
  ];
  const { goals, axis } = description;
  // A cluster tells its rate of answers, not its clients.
  const measured = (axis.kind === "rate" ? props.measured?.points : undefined) ?? [];
  const isSame = isOfCurve(props.measured, description, choices);
  const second = goals.length > 0 ? "sloAttainmentRatio" : "utilizationRatio";
  const shares = readings.map((reading) => seriesOf(reading, loads, second, reading.name));
  const [goal] = goals;
  const goalMs =
    goals.length === 1
      ? { ...goal, latencyMs: choices.sloMs?.[goal.pipeline] ?? goal.latencyMs }[times.goal]
      : undefined;
  const common = { loads, load, onPick, loadTitle: axis.unit };
  const summary = summaryOf(present, load, axis.unit, full);
  return (
    <>
      <div className="wi-charts">
        <CurveChart
          {...common}
          title={times.title}
          summary={summary}
          series={latency}
          range={[0, topOf(readings, loads, [full.id, figure], axis.kind === "rate", goalMs)]}
          format={milliseconds}
          formatTick={figures}
          goal={goalMs === undefined ? undefined : { value: goalMs, name: `SLO ${goalMs} ms` }}
          measured={shown.flatMap(({ id }) => pointsOf(measured, id))}
          measuredColor={isSame ? "--wi-now" : "--muted"}
        />
        <CurveChart
          {...common}
          title={goals.length > 0 ? "Requests within the SLO" : "Busy share of replicas"}
          summary={summary}
          series={shares}
          range={[0, 1.02]}
          format={precisePercent}
          formatTick={precisePercent}
          goal={
            goals.length === 1
              ? { value: goal.percentile / 100, name: `SLO ${goal.percentile}%` }
              : undefined
          }
          measured={pointsOf(measured, second)}
          measuredColor={isSame ? "--wi-now" : "--muted"}
        />
      </div>
      {measured.length === 0 || times !== TIMES[0] ? null : (
        <p className="wi-note">
          ○ p50, ◉ p95, ● p99, measured on the cluster as it runs now (
          {props.measured?.configuration}
          {isSame ? "" : ": another configuration than the curve's, so in grey"}): {measured.length}{" "}
          points, each over its last seconds
        </p>
      )}
    </>
  );
}

/** Whether the cluster has the replicas and the scheduler of the present curve. */
function isOfCurve(
  measured: Measured | undefined,
  { replicas, scheduler }: Description,
  choices: Choices,
): boolean {
  const counts = Object.entries({ ...replicas, ...choices.replicas });
  const texts = counts.map(([task, count]) => `${task} ${count}`);
  const parts = measured?.configuration.split(" · ") ?? [];
  const isPlain = choices.parameters === undefined && choices.batch === undefined;
  const wanted = [...texts, choices.scheduler ?? scheduler];
  return isPlain && parts.length === wanted.length && wanted.every((text) => parts.includes(text));
}

function seriesOf(
  { id, color, curve }: Reading,
  loads: readonly number[],
  metric: string,
  name: string,
  dash?: readonly number[],
): ChartSeries {
  const estimates = loads.map((load) => {
    const result = curve?.points.get(load);
    return isOverloaded(result, metric) ? undefined : estimateOf(result, metric);
  });
  return {
    id: `${id} ${metric}`,
    name,
    color,
    ...(dash === undefined ? {} : { dash }),
    // A pin that equals the present one leaves its edges to see.
    isThin: dash !== undefined || id !== "now",
    means: estimates.map((one) => one?.mean ?? null),
    halfWidths: estimates.map((one) => one?.halfWidth95 ?? null),
  };
}

function pointsOf(measured: readonly MeasuredPoint[], metric: string): readonly ChartPoint[] {
  return measured.flatMap(({ load, metrics }) => {
    const value = metrics[metric];
    return value == null ? [] : [{ load, value, filled: FILLED[metric] ?? 1 }];
  });
}

/** Nearly full, latencies rise without bound: beyond this share of capacity they may leave the chart. */
const NEARLY_FULL = 0.9;

/** Beyond so many times the SLO, latencies would press all others flat. */
const MOST_GOALS = 5;

/** The largest time worth its room: the SLO, and what each configuration gives before it is full. */
function topOf(
  readings: readonly Reading[],
  loads: readonly number[],
  [full, figure]: readonly [full: string, figure: Figure],
  isRate: boolean,
  goalMs = 0,
): number {
  const fullAt = (curve: CurveState | undefined): number =>
    NEARLY_FULL * ((isRate ? curve?.capacityPerS : null) ?? Number.POSITIVE_INFINITY);
  const tops = readings.flatMap(({ id, curve }, i) => {
    const metric = i === 0 || id === "now" ? full : figure;
    return loads
      .filter((load) => load <= fullAt(curve))
      .map((load) => highEnd(curve, load, metric));
  });
  const lightest = Math.max(...readings.map(({ curve }) => highEnd(curve, loads[0], figure)), 0);
  const top = 1.15 * Math.max(...tops, lightest, goalMs);
  if (top === 0) return 1;
  return goalMs === 0 ? top : Math.min(top, Math.max(MOST_GOALS * goalMs, 1.15 * lightest));
}

function highEnd(curve: CurveState | undefined, load: number, metric: string): number {
  const estimate = estimateOf(curve?.points.get(load), metric);
  return estimate === undefined ? 0 : estimate.mean + Math.min(estimate.halfWidth95, estimate.mean);
}

function summaryOf(
  { curve }: Reading,
  load: number,
  unit: string,
  { id, name }: ShownFigure,
): string {
  const time = estimateOf(curve?.points.get(load), id);
  if (time === undefined) return "Being simulated.";
  return `At ${load} ${unit}, ${name} is ${milliseconds(time.mean)}. All points stand in a table below.`;
}

interface ChartSeries {
  readonly id: string;
  readonly name: string;
  /** A colour of the style sheet, such as `--accent`. */
  readonly color: string;
  readonly dash?: readonly number[];
  readonly isThin?: boolean;
  /** In the order of the loads; null: not simulated yet. */
  readonly means: readonly (number | null)[];
  readonly halfWidths: readonly (number | null)[];
}

interface ChartPoint {
  readonly load: number;
  readonly value: number;
  /** As the curve of its quantile is drawn: p50 hollow, p95 half as large within, p99 full. */
  readonly filled: number;
}

interface CurveChartProps {
  readonly title: string;
  /** For those who do not see the chart. */
  readonly summary: string;
  readonly loadTitle: string;
  readonly loads: readonly number[];
  readonly series: readonly ChartSeries[];
  readonly range: readonly [least: number, most: number];
  readonly format: (value: number) => string;
  /** Texts of the vertical axis, whose title has the unit. */
  readonly formatTick: (value: number) => string;
  /** A horizontal line with its name. */
  readonly goal?: { readonly value: number; readonly name: string } | undefined;
  /** The load that is read. */
  readonly load: number;
  readonly onPick: (load: number) => void;
  /** Measured on a cluster. */
  readonly measured: readonly ChartPoint[];
  readonly measuredColor: string;
}

const HEIGHT = 270;
/** Width of a digit of a tick's label, a little too wide. */
const PER_DIGIT = 7.5;
/** Charts of one page share their cursor. */
const SYNC = "what-if";

function CurveChart(props: CurveChartProps) {
  const { title, summary, series, loads } = props;
  const latest = useRef(props);
  latest.current = props;
  const [hovered, setHovered] = useState<number | null>(null);
  const place = usePlot({
    form: JSON.stringify(series.map(({ id, color }) => [id, color])),
    height: HEIGHT,
    options: (color) => optionsFor(latest, color, setHovered),
    data: useMemo(() => dataOf(props), [props]),
  });

  return (
    <figure className="wi-chart">
      <figcaption>
        <strong>{title}</strong>
        <Legend series={series} />
      </figcaption>
      <div ref={place} role="img" aria-label={`${title}. ${summary}`} />
      <p className="wi-hover" aria-hidden="true">
        {readingText(props, hovered ?? loads.indexOf(props.load))}
      </p>
    </figure>
  );
}

/** The values at a load: the one under the pointer, else the one that is read. */
function readingText({ loads, series, format }: CurveChartProps, index: number): string {
  const values = series.flatMap(({ name, means, halfWidths }) => {
    const mean = means[index];
    if (mean == null) return [];
    const half = halfWidths[index] ?? 0;
    return [
      `${name} ${format(mean)}${half > 0 ? ` ± ${format(Number(half.toPrecision(2)))}` : ""}`,
    ];
  });
  return values.length === 0 ? "" : `at ${loads[index]}: ${values.join(" · ")}`;
}

/** Loads, then for each series its mean and the two ends of its interval. */
function dataOf({ loads, series }: CurveChartProps): uPlot.AlignedData {
  const columns = series.flatMap(({ means, halfWidths }) => {
    const end = (sign: number) =>
      means.map((mean, i) => (mean === null ? null : mean + sign * (halfWidths[i] ?? 0)));
    return [[...means], end(1), end(-1)];
  });
  return [[...loads], ...columns] as uPlot.AlignedData;
}

function optionsFor(
  latest: { readonly current: CurveChartProps },
  color: ColorOf,
  onHover: (index: number | null) => void,
): Omit<uPlot.Options, "width" | "height"> {
  const { series, loadTitle } = latest.current;
  const axis = axisOf(color);
  const shown = series.flatMap(({ name, color: own, dash, isThin }): uPlot.Series[] => {
    const line: uPlot.Series = {
      label: name,
      stroke: color(own),
      width: isThin === true ? 1.5 : 2.5,
      spanGaps: true,
      points: { show: true, size: 4, fill: color(own) },
      ...(dash === undefined ? {} : { dash: [...dash] }),
    };
    const edge: uPlot.Series = { label: "", width: 0, spanGaps: true, points: { show: false } };
    return [line, edge, edge];
  });
  return {
    legend: { show: false },
    padding: [12, 14, 0, 0],
    cursor: {
      sync: { key: SYNC, setSeries: false },
      drag: { x: false, y: false },
      points: { show: false },
      bind: {
        click: (plot) => () => {
          const index = plot.cursor.idx;
          if (index != null) latest.current.onPick(latest.current.loads[index]);
          return null;
        },
      },
    },
    scales: {
      x: { time: false, range: () => [0, latest.current.loads.at(-1) ?? 1] },
      y: { range: () => [...latest.current.range] },
    },
    axes: [
      { ...axis, label: loadTitle, labelSize: 18, size: 30 },
      {
        ...axis,
        size: (_, ticks) => 22 + PER_DIGIT * Math.max(4, ...(ticks ?? []).map((t) => t.length)),
        values: (_, ticks) => ticks.map((tick) => latest.current.formatTick(tick)),
      },
    ],
    series: [{}, ...shown],
    bands: series.map(({ color: own }, i) => ({
      series: [3 * i + 2, 3 * i + 3],
      fill: `color-mix(in srgb, ${color(own)} 22%, transparent)`,
    })),
    hooks: {
      draw: [(plot) => drawMarks(plot, latest.current, color)],
      setCursor: [({ cursor }) => onHover(cursor.idx ?? null)],
    },
  };
}

/** The load that is read, the SLO, and measured points. */
function drawMarks(
  plot: uPlot,
  { load, goal, measured, measuredColor }: CurveChartProps,
  color: ColorOf,
): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const x = plot.valToPos(load, "x", true);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.lineWidth = ratio;
  ctx.strokeStyle = color("--ink");
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  if (goal !== undefined) drawGoal(plot, goal.value, color("--bad"), goal.name);
  ctx.lineWidth = 2.5 * ratio;
  ctx.strokeStyle = color(measuredColor);
  for (const point of measured) {
    const [x, y] = [plot.valToPos(point.load, "x", true), plot.valToPos(point.value, "y", true)];
    const disc = (radius: number, fill: string) => {
      ctx.beginPath();
      ctx.arc(x, y, radius * ratio, 0, 2 * Math.PI);
      ctx.fillStyle = fill;
      ctx.fill();
    };
    disc(5, color("--paper"));
    ctx.stroke();
    disc(5 * point.filled, color(measuredColor));
  }
  ctx.restore();
}
