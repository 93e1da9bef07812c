/** A chart on a canvas that follows its data: lines over time, or points. */
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

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

/** Okabe and Ito, as in the reports; the first is lighter on dark paper. */
const COLOURS = [
  "--series-1",
  "--series-2",
  "--series-3",
  "--series-4",
  "--series-5",
  "--series-6",
];
const HEIGHT = 190;

/** A custom property as a canvas takes it: `light-dark()` is resolved in a colour only. */
function colour(name: string): string {
  const probe = document.body.appendChild(document.createElement("span"));
  probe.style.color = `var(${name})`;
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

export function LiveChart(props: LiveChartProps) {
  const { title, unit, x, series, isClock = true } = props;
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const names = series.map(({ name }) => name).join("\n");

  // biome-ignore lint/correctness/useExhaustiveDependencies: other series are another chart
  useEffect(() => {
    const element = place.current as HTMLDivElement;
    const drawn = new uPlot(
      optionsOf(latest, element.clientWidth),
      dataOf(latest.current),
      element,
    );
    chart.current = drawn;
    const resized = new ResizeObserver(() => {
      drawn.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    resized.observe(element);
    const recoloured = new MutationObserver(() => drawn.redraw(false));
    recoloured.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    const system = matchMedia("(prefers-color-scheme: dark)");
    const redraw = (): void => drawn.redraw(false);
    system.addEventListener("change", redraw);
    return () => {
      resized.disconnect();
      recoloured.disconnect();
      system.removeEventListener("change", redraw);
      drawn.destroy();
    };
  }, [names, title, unit, isClock]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: both change with the data
  useEffect(() => chart.current?.setData(dataOf(latest.current)), [x, series]);

  const told = series.map(({ name, values }) => {
    const last = values.findLast((value) => value !== null);
    return `${name}: ${last === undefined || last === null ? "none yet" : last.toPrecision(3)}`;
  });
  return (
    <figure className="chart">
      <figcaption>
        {title} ({unit})
        <span className="legend" aria-hidden="true">
          {series.map(({ name }, i) => (
            <span key={name} className="key">
              <span className={`swatch series-${(i % COLOURS.length) + 1}`} />
              {name}
            </span>
          ))}
        </span>
      </figcaption>
      <div ref={place} role="img" aria-label={`${title} in ${unit}; at last ${told.join("; ")}`} />
    </figure>
  );
}

function dataOf({ x, series }: LiveChartProps): uPlot.AlignedData {
  return [x, ...series.map(({ values }) => values)] as unknown as uPlot.AlignedData;
}

function optionsOf(latest: { readonly current: LiveChartProps }, width: number): uPlot.Options {
  const { series, isClock = true, isPoints = false } = latest.current;
  const axis: uPlot.Axis = {
    stroke: () => colour("--muted"),
    grid: { stroke: () => colour("--line"), width: 1 },
    ticks: { stroke: () => colour("--line"), width: 1 },
    font: "12px system-ui, sans-serif",
  };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: {
      x: { time: isClock },
      y: {
        range: (_, __, most) => {
          const { yMost = 0, goal = 0 } = latest.current;
          // Of zeros alone, the axis is 0 to 1.
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
      ...series.map(({ name }, i): uPlot.Series => {
        const stroke = () => colour(COLOURS[i % COLOURS.length]);
        return isPoints
          ? {
              label: name,
              stroke,
              paths: () => null,
              points: { show: true, size: 6, fill: stroke },
            }
          : { label: name, stroke, width: 2, points: { show: false } };
      }),
    ],
    hooks: {
      draw: [
        (drawn) => {
          const { goal } = latest.current;
          if (goal !== undefined) drawGoal(drawn, goal);
        },
      ],
    },
  };
}

function clockTimes(_: uPlot, splits: number[]): string[] {
  return splits.map((atS) => new Date(atS * 1000).toTimeString().slice(0, 8));
}

function drawGoal({ ctx, bbox, valToPos }: uPlot, goal: number): void {
  const y = Math.round(valToPos(goal, "y", true));
  ctx.save();
  ctx.strokeStyle = colour("--bad");
  ctx.setLineDash([6, 4]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}
