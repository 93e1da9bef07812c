/** Curves over load with their 95% intervals as bands, on a canvas: a redraw takes a millisecond. */
import { useMemo, useRef, useState } from "react";
import type uPlot from "uplot";
import { Legend } from "../shared/parts.tsx";
import { axisOf, type ColorOf, drawGoal, usePlot } from "../shared/use-plot.ts";

export interface ChartSeries {
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

export interface ChartPoint {
  readonly load: number;
  readonly value: number;
  readonly color: string;
}

export interface CurveChartProps {
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
}

const HEIGHT = 270;
/** Width of a digit of a tick's label, a little too wide. */
const PER_DIGIT = 7.5;
/** Charts of one page share their cursor. */
const SYNC = "what-if";

export function CurveChart(props: CurveChartProps) {
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

/** The load that is read, the goal, and measured points. */
function drawMarks(plot: uPlot, { load, goal, measured }: CurveChartProps, color: ColorOf): void {
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
  ctx.fillStyle = color("--paper");
  for (const point of measured) {
    ctx.beginPath();
    ctx.arc(
      plot.valToPos(point.load, "x", true),
      plot.valToPos(point.value, "y", true),
      ...([5 * ratio, 0, 2 * Math.PI] as const),
    );
    ctx.strokeStyle = color(point.color);
    ctx.fill();
    ctx.stroke();
  }
  ctx.restore();
}
