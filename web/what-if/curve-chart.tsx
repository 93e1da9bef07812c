/** Curves over load with their 95% intervals as bands, on a canvas: a redraw takes a millisecond. */
import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";

export interface ChartSeries {
  readonly id: string;
  readonly name: string;
  /** A colour of the style sheet, such as `--wi-now`. */
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
  /** Of the vertical axis, whose title has the unit. */
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
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const [hovered, setHovered] = useState<number | null>(null);
  const theme = useTheme();
  const form = JSON.stringify([series.map(({ id, color }) => [id, color]), theme]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `form` stands for the series' own form
  useEffect(() => {
    const element = place.current as HTMLDivElement;
    const made = new uPlot(
      optionsFor(element, latest, setHovered),
      dataOf(latest.current),
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() =>
      made.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [form]);

  useEffect(() => {
    const made = plot.current;
    if (made === null) return;
    made.setData(dataOf(props), false);
    made.batch(() => {
      made.setScale("x", { min: 0, max: lastOf(loads) });
      made.setScale("y", { min: props.range[0], max: props.range[1] });
    });
  }, [props, loads]);

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

function Legend({ series }: { readonly series: readonly ChartSeries[] }) {
  return (
    <ul className="wi-legend">
      {series.map(({ id, name, color, dash }) => (
        <li key={id}>
          <svg width="22" height="8" aria-hidden="true">
            <title>{name}</title>
            <line
              x1="1"
              x2="21"
              y1="4"
              y2="4"
              stroke={`var(${color})`}
              strokeWidth="2.5"
              strokeDasharray={dash?.join(" ")}
            />
          </svg>
          {name}
        </li>
      ))}
    </ul>
  );
}

/** The values at a load: the one under the pointer, else the one that is read. */
function readingText({ loads, series, format }: CurveChartProps, index: number): string {
  const values = series.flatMap(({ name, means, halfWidths }) => {
    const mean = means[index];
    if (mean == null) return [];
    const half = halfWidths[index] ?? 0;
    return [`${name} ${format(mean)}${half > 0 ? ` ± ${format(half)}` : ""}`];
  });
  return values.length === 0 ? "" : `at ${loads[index]}: ${values.join(" · ")}`;
}

function lastOf(loads: readonly number[]): number {
  return loads.at(-1) ?? 1;
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
  element: HTMLElement,
  latest: { readonly current: CurveChartProps },
  onHover: (index: number | null) => void,
): uPlot.Options {
  const style = getComputedStyle(element);
  const color = colorsOf(element);
  const { series, loadTitle } = latest.current;
  const axis = {
    stroke: color("--wi-muted"),
    grid: { stroke: color("--wi-line"), width: 1 },
    ticks: { stroke: color("--wi-line"), width: 1 },
    font: `12px ${style.fontFamily}`,
    labelFont: `12px ${style.fontFamily}`,
  };
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
    width: element.clientWidth,
    height: HEIGHT,
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
    scales: { x: { time: false }, y: { auto: false } },
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

/** Colours of the style sheet as a canvas takes them: without `light-dark()`. */
function colorsOf(element: HTMLElement): (name: string) => string {
  const known = new Map<string, string>();
  return (name) => {
    const found = known.get(name);
    if (found !== undefined) return found;
    const probe = document.createElement("span");
    probe.style.color = `var(${name})`;
    element.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    known.set(name, color);
    return color;
  };
}

/** The load that is read, the goal, and measured points. */
function drawMarks(
  plot: uPlot,
  { load, goal, measured }: CurveChartProps,
  color: (name: string) => string,
): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const x = plot.valToPos(load, "x", true);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.lineWidth = ratio;
  ctx.strokeStyle = color("--wi-ink");
  line(ctx, [x, bbox.top], [x, bbox.top + bbox.height]);
  if (goal !== undefined) {
    const y = plot.valToPos(goal.value, "y", true);
    ctx.strokeStyle = color("--wi-bad");
    ctx.setLineDash([6 * ratio, 4 * ratio]);
    line(ctx, [bbox.left, y], [bbox.left + bbox.width, y]);
    ctx.setLineDash([]);
    ctx.fillStyle = color("--wi-bad");
    ctx.font = `${12 * ratio}px sans-serif`;
    ctx.textAlign = "right";
    const isHigh = y - bbox.top < 20 * ratio;
    ctx.textBaseline = isHigh ? "top" : "bottom";
    const gap = (isHigh ? 4 : -4) * ratio;
    ctx.fillText(goal.name, bbox.left + bbox.width - 6 * ratio, y + gap);
  }
  for (const point of measured) {
    const [px, py] = [plot.valToPos(point.load, "x", true), plot.valToPos(point.value, "y", true)];
    ctx.beginPath();
    ctx.arc(px, py, 5 * ratio, 0, 2 * Math.PI);
    ctx.fillStyle = color("--wi-paper");
    ctx.strokeStyle = color(point.color);
    ctx.lineWidth = 2.5 * ratio;
    ctx.fill();
    ctx.stroke();
  }
  ctx.restore();
}

type Place = readonly [x: number, y: number];

function line(ctx: CanvasRenderingContext2D, from: Place, to: Place): void {
  ctx.beginPath();
  ctx.moveTo(...from);
  ctx.lineTo(...to);
  ctx.stroke();
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
