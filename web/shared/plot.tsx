/**
 * Charts on a canvas, which follow the size of their place and the colours of the page; among them one that follows
 * its data: lines over time, or points.
 */
import { useEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import { Legend, seriesColour } from "./parts.tsx";
import "uplot/dist/uPlot.min.css";

/** A colour of the style sheet, such as `--line`, as a canvas takes it: without `light-dark()`. */
export type ColorOf = (name: string) => string;

interface Plotted {
  /** Another form is another plot. */
  readonly form: string;
  readonly height: number;
  readonly options: (color: ColorOf) => Omit<uPlot.Options, "width" | "height">;
  readonly data: uPlot.AlignedData;
}

/** The reference is for the element that holds the plot. */
export function usePlot({ form, height, options, data }: Plotted) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const theme = useTheme();
  // biome-ignore lint/correctness/useExhaustiveDependencies: `form` stands for the options
  useEffect(() => {
    const element = place.current as HTMLDivElement;
    const size = () => ({ width: element.clientWidth, height });
    const made = new uPlot({ ...options(colorsOf(element)), ...size() }, data, element);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize(size()));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [form, theme]);
  useEffect(() => plot.current?.setData(data), [data]);
  return place;
}

/** Options that the axes of all plots have. */
export function axisOf(color: ColorOf): uPlot.Axis {
  const lines = { stroke: color("--line"), width: 1 };
  const font = "12px system-ui, sans-serif";
  return { stroke: color("--muted"), grid: lines, ticks: lines, font, labelFont: font };
}

/** A dashed horizontal line; its name stands at its left end, where latencies are low. */
export function drawGoal(plot: uPlot, value: number, color: string, name = ""): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const y = Math.round(plot.valToPos(value, "y", true));
  ctx.save();
  ctx.lineWidth = ratio;
  ctx.strokeStyle = color;
  ctx.fillStyle = color;
  ctx.setLineDash([6 * ratio, 4 * ratio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.font = `${12 * ratio}px sans-serif`;
  ctx.textAlign = "left";
  const isHigh = y - bbox.top < 20 * ratio;
  ctx.textBaseline = isHigh ? "top" : "bottom";
  ctx.fillText(name, bbox.left + 6 * ratio, y + (isHigh ? 4 : -4) * ratio);
  ctx.restore();
}

function drawMark(plot: uPlot, value: number, color: string): void {
  const { ctx, bbox } = plot;
  const x = Math.round(plot.valToPos(value, "x", true));
  if (x < bbox.left || x > bbox.left + bbox.width) return;
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  ctx.strokeStyle = color;
  ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}

function colorsOf(element: HTMLElement): ColorOf {
  const known = new Map<string, string>();
  return (name) => {
    const found = known.get(name);
    if (found !== undefined) return found;
    const probe = element.appendChild(document.createElement("span"));
    probe.style.color = `var(${name})`;
    const { color } = getComputedStyle(probe);
    probe.remove();
    known.set(name, color);
    return color;
  };
}

/** A number that changes with the page's colours. */
function useTheme(): number {
  const [count, setCount] = useState(0);
  useEffect(() => {
    const change = (): void => setCount((before) => before + 1);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", change);
    const observer = new MutationObserver(change);
    observer.observe(document.documentElement, { attributeFilter: ["data-theme", "class"] });
    return () => {
      dark.removeEventListener("change", change);
      observer.disconnect();
    };
  }, []);
  return count;
}

export interface Series {
  readonly name: string;
  /** Null: a gap. */
  readonly values: readonly (number | null)[];
}

interface LiveChartProps {
  readonly title: string;
  readonly unit: string;
  /** Seconds since 1970, or since a start where `isClock` is false; ascending. */
  readonly x: readonly number[];
  readonly series: readonly Series[];
  readonly isClock?: boolean;
  readonly isPoints?: boolean;
  /** The y axis ends here at least. */
  readonly yMost?: number;
  /** A horizontal line, such as an SLO. */
  readonly goal?: number | undefined;
  /** Upright lines, ascending. */
  readonly marks?: readonly Mark[];
}

export interface Mark {
  readonly x: number;
  readonly name: string;
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
          const { goal, marks = [] } = latest.current;
          for (const { x } of marks) drawMark(plot, x, color("--muted"));
          if (goal !== undefined) drawGoal(plot, goal, color("--bad"));
        },
      ],
    },
  };
}

function clockTimes(_: uPlot, splits: number[]): string[] {
  return splits.map((atS) => new Date(atS * 1000).toTimeString().slice(0, 8));
}
