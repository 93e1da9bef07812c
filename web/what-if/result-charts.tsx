/** Latency and goal attainment over load: the present configuration in full, pins by one figure. */
import { figures, milliseconds, precisePercent } from "../shared/format.ts";
import type { Choices } from "./choices.ts";
import type { Measured, MeasuredPoint } from "./cluster.ts";
import { type ChartPoint, type ChartSeries, CurveChart } from "./curve-chart.tsx";
import type { CurveState } from "./curve-store.ts";
import type { Description } from "./messages.ts";
import { estimateOf, type Reading } from "./readings.tsx";
import { QUANTILES, type Quantile } from "./shared-state.ts";

export interface ResultChartsProps {
  readonly description: Description;
  readonly choices: Choices;
  /** The present configuration first. */
  readonly readings: readonly Reading[];
  readonly loads: readonly number[];
  readonly load: number;
  readonly quantile: Quantile;
  readonly measured: Measured | undefined;
  readonly onPick: (load: number) => void;
}

const DASHES: Readonly<Record<Quantile, readonly number[] | undefined>> = {
  latencyP50Ms: [2, 3],
  latencyP95Ms: [7, 4],
  latencyP99Ms: undefined,
};

export function ResultCharts(props: ResultChartsProps) {
  const { description, choices, readings, loads, load, quantile, onPick } = props;
  const [present, ...pins] = readings;
  const { name } = QUANTILES.find(({ id }) => id === quantile) ?? QUANTILES[2];
  const latency = [
    ...QUANTILES.map((one) => seriesOf(present, loads, one.id, one.name)),
    ...pins.map((pin) => seriesOf(pin, loads, quantile, `${pin.name} (${name})`)),
  ];
  const { goals, axis } = description;
  // A cluster tells its rate of answers, not its clients.
  const measured = (axis.kind === "rate" ? props.measured?.points : undefined) ?? [];
  const second = goals.length > 0 ? "sloAttainmentRatio" : "utilizationRatio";
  const shares = readings.map((reading) => seriesOf(reading, loads, second, reading.name));
  const [goal] = goals;
  const goalMs =
    goals.length === 1 ? (choices.sloMs?.[goal.pipeline] ?? goal.latencyMs) : undefined;
  const common = { loads, load, onPick, loadTitle: axis.unit };
  const summary = summaryOf(present, load, axis.unit);
  return (
    <>
      <div className="wi-charts">
        <CurveChart
          {...common}
          title="Latency, ms"
          summary={summary}
          series={latency}
          range={[0, latencyTop(readings, loads, quantile, axis.kind === "rate", goalMs)]}
          format={milliseconds}
          formatTick={figures}
          goal={goalMs === undefined ? undefined : { value: goalMs, name: `goal ${goalMs} ms` }}
          measured={QUANTILES.flatMap(({ id }) => pointsOf(measured, id))}
        />
        <CurveChart
          {...common}
          title={goals.length > 0 ? "Requests within the goal" : "Busy share of replicas"}
          summary={summary}
          series={shares}
          range={[0, 1.02]}
          format={precisePercent}
          formatTick={precisePercent}
          goal={
            goals.length === 1
              ? { value: goal.percentile / 100, name: `goal ${goal.percentile}%` }
              : undefined
          }
          measured={pointsOf(measured, second)}
        />
      </div>
      {measured.length === 0 ? null : (
        <p className="wi-note">
          ○ measured on the cluster as it runs now ({props.measured?.configuration}):{" "}
          {measured.length} points, each over its last seconds
        </p>
      )}
    </>
  );
}

function seriesOf(
  { id, color, curve }: Reading,
  loads: readonly number[],
  metric: string,
  name: string,
): ChartSeries {
  const estimates = loads.map((load) => estimateOf(curve?.points.get(load), metric));
  const dash = id === "now" ? DASHES[metric as Quantile] : undefined;
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
    return value == null ? [] : [{ load, value, color: "--wi-now" }];
  });
}

/** Nearly full, latencies rise without bound: beyond this share of capacity they may leave the chart. */
const NEARLY_FULL = 0.9;

/** Beyond so many times the goal, latencies would press all others flat. */
const MOST_GOALS = 5;

/** The largest latency worth its room: the goal, and what each configuration gives before it is full. */
function latencyTop(
  readings: readonly Reading[],
  loads: readonly number[],
  quantile: Quantile,
  isRate: boolean,
  goalMs = 0,
): number {
  const fullAt = (curve: CurveState | undefined): number =>
    NEARLY_FULL * ((isRate ? curve?.capacityPerS : null) ?? Number.POSITIVE_INFINITY);
  const tops = readings.flatMap(({ id, curve }, i) => {
    const metric = i === 0 || id === "now" ? "latencyP99Ms" : quantile;
    return loads
      .filter((load) => load <= fullAt(curve))
      .map((load) => highEnd(curve, load, metric));
  });
  const lightest = Math.max(...readings.map(({ curve }) => highEnd(curve, loads[0], quantile)), 0);
  const top = 1.15 * Math.max(...tops, lightest, goalMs);
  if (top === 0) return 1;
  return goalMs === 0 ? top : Math.min(top, Math.max(MOST_GOALS * goalMs, 1.15 * lightest));
}

function highEnd(curve: CurveState | undefined, load: number, metric: string): number {
  const estimate = estimateOf(curve?.points.get(load), metric);
  return estimate === undefined ? 0 : estimate.mean + Math.min(estimate.halfWidth95, estimate.mean);
}

function summaryOf({ curve }: Reading, load: number, unit: string): string {
  const result = curve?.points.get(load);
  const p99 = estimateOf(result, "latencyP99Ms");
  if (p99 === undefined) return "Being simulated.";
  return `At ${load} ${unit}, p99 is ${milliseconds(p99.mean)}. All points stand in a table below.`;
}
