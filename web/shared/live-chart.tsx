/** A chart on a canvas that follows its data: lines over time, or points. */
import { useMemo, useRef } from "react";
import type uPlot from "uplot";
import { Legend, seriesColour } from "./parts.tsx";
import { axisOf, type ColorOf, drawGoal, usePlot } from "./use-plot.ts";

export interface Series {
  readonly name: string;
  /** Null: a gap. */
  readonly values: readonly (number | null)[];
}

export interface LiveChartProps {
  readonly title: string;
  readonly unit: string;
  /** Seconds since 1970, or since a start where `isClock` is false; ascending. */
  readonly x: readonly number[];
  readonly series: readonly Series[];
  readonly isClock?: boolean;
  readonly isPoints?: boolean;
  /** The y axis ends here at least. */
  readonly yMost?: number;
  /** A horizontal line, such as a latency goal. */
  readonly goal?: number | undefined;
}

const HEIGHT = 190;

export function LiveChart(props: LiveChartProps) {
  const { title, unit, x, series, isClock = true } = props;
  const latest = useRef(props);
  latest.current = props;
  const place = usePlot({
    form: [title, unit, isClock, ...series.map(({ name }) => name)].join("\n"),
    height: HEIGHT,
    options: (color) => optionsOf(latest, color),
    // biome-ignore lint/correctness/useExhaustiveDependencies: both change with the data
    data: useMemo(() => dataOf(props), [x, series]),
  });

  const told = series.map(({ name, values }) => {
    const last = values.findLast((value) => value !== null);
    return `${name}: ${last === undefined || last === null ? "none yet" : last.toPrecision(3)}`;
  });
  return (
    <figure className="chart">
      <figcaption>
        {title} ({unit})
        <Legend series={series.map(({ name }, i) => ({ name, color: seriesColour(i) }))} />
      </figcaption>
      <div ref={place} role="img" aria-label={`${title} in ${unit}; at last ${told.join("; ")}`} />
    </figure>
  );
}

function dataOf({ x, series }: LiveChartProps): uPlot.AlignedData {
  return [x, ...series.map(({ values }) => values)] as unknown as uPlot.AlignedData;
}

function optionsOf(
  latest: { readonly current: LiveChartProps },
  color: ColorOf,
): Omit<uPlot.Options, "width" | "height"> {
  const { series, isClock = true, isPoints = false } = latest.current;
  const axis = axisOf(color);
  return {
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: {
      x: { time: isClock },
      y: {
        range: (_, __, most) => {
          const { yMost = 0, goal = 0 } = latest.current;
          // The axis is 0 to 1 where all is zero.
          return [0, Math.max(yMost, goal * 1.05, (most ?? 0) * 1.08) || 1];
        },
      },
    },
    axes: [
      { ...axis, size: 34, ...(isClock ? { values: clockTimes, space: 80 } : {}) },
      { ...axis, size: 56 },
    ],
    series: [
      {},
      ...series.map(({ name: label }, i): uPlot.Series => {
        const stroke = color(seriesColour(i));
        return isPoints
          ? { label, stroke, paths: () => null, points: { show: true, size: 6, fill: stroke } }
          : { label, stroke, width: 2, points: { show: false } };
      }),
    ],
    hooks: {
      draw: [
        (plot) => {
          const { goal } = latest.current;
          if (goal !== undefined) drawGoal(plot, goal, color("--bad"));
        },
      ],
    },
  };
}

function clockTimes(_: uPlot, splits: number[]): string[] {
  return splits.map((atS) => new Date(atS * 1000).toTimeString().slice(0, 8));
}
