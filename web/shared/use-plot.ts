/** Charts on a canvas, which follow the size of their place and the colours of the page. */
import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import "./plot.css";

/** A colour of the style sheet, such as `--line`, as a canvas takes it: without `light-dark()`. */
export type ColorOf = (name: string) => string;

export interface Plotted {
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
