/** The figures of each configuration at one load, in words and as a table, and all points of the present one. */
import type { ReactNode } from "react";
import { Button } from "react-aria-components";
import type { Estimate } from "../../library/browser.ts";
import { figures, milliseconds, precisePercent } from "../shared/format.ts";
import { Head } from "../shared/parts.tsx";
import { type Batch, type Choices, isPlacedAnew, loadText } from "./choices.ts";
import type { CurveState } from "./curve-store.ts";
import { highestLoadText } from "./highest-load.ts";
import type { Description, PointResult } from "./messages.ts";

/** Whether the SLO is met at this load, and up to which one, in words. */
export function verdictOf(
  { axis, goals }: Description,
  { sloMs }: Choices,
  curve: CurveState | undefined,
  load: number,
): string {
  const result = curve?.points.get(load);
  if (curve === undefined || result === undefined) return "Simulating …";
  const at = `At ${loadText(axis, load)}`;
  const p99 = estimateOf(result, "latencyP99Ms");
  if (result.stability === "unstable") {
    return `${at} it is overloaded, its queue grows without end: ${highestLoadText(curve, axis)}.`;
  }
  const attained = estimateOf(result, "sloAttainmentRatio");
  if (goals.length === 0 || attained === undefined) {
    return p99 === undefined
      ? `${at} no request ends.`
      : `${at}, p99 is ${milliseconds(p99.mean)}.`;
  }
  const [goal] = goals;
  const text =
    goals.length === 1
      ? `${precisePercent(attained.mean)} of requests ${boundsText(goal, sloMs?.[goal.pipeline])}, ${goal.percentile}% should`
      : `${precisePercent(attained.mean)} of requests end within their SLOs`;
  const words = {
    meets: "the SLO is met",
    misses: "the SLO is missed",
    unclear: "too close to tell",
  };
  const judged = result.slo === undefined ? "" : ` (${words[result.slo]})`;
  return `${at}, ${text}${judged}. ${capital(highestLoadText(curve, axis))}.`;
}

function boundsText(
  { latencyMs, ttftMs, tpotMs }: Description["goals"][number],
  askedMs = latencyMs,
): string {
  const first = ttftMs === undefined ? [] : [`have a first token within ${ttftMs} ms`];
  const each = tpotMs === undefined ? [] : [`have each further token within ${tpotMs} ms`];
  return [`end within ${askedMs} ms`, ...first, ...each].join(", ");
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A configuration in a few words: how it differs from its scenario. */
export function differenceText(choices: Choices, description: Description): string {
  const { replicas, goals } = description;
  const { scheduler, parameters, batch, serviceScale, machines, costPerHour, sloMs } = choices;
  const counts = Object.entries(choices.replicas ?? {}).filter(
    ([task, count]) => replicas[task] !== count,
  );
  const given = Object.values(parameters ?? {}).flatMap((own) =>
    Object.entries(own).filter(([name]) => name !== "policy"),
  );
  const parts = [
    ...counts.map(([task, count]) => `${task} ${count}`),
    ...(isPlacedAnew(choices, description) ? ["placed anew"] : []),
    ...(scheduler === undefined ? [] : [scheduler]),
    ...given.map(([name, value]) => `${name} ${String(value)}`),
    ...(batch === undefined ? [] : [batchText(batch)]),
    ...(serviceScale === undefined || serviceScale === 1 ? [] : [`service times ×${serviceScale}`]),
    ...Object.entries(machines ?? {}).map(([name, count]) => `${count} × ${name}`),
    ...Object.entries(costPerHour ?? {}).map(([name, price]) => `${name} at ${price} / h`),
    ...Object.entries(sloMs ?? {}).map(
      ([pipeline, latencyMs]) => `${goals.length > 1 ? `${pipeline} ` : ""}SLO ${latencyMs} ms`,
    ),
  ];
  return parts.length === 0 ? "as in the scenario" : parts.join(" · ");
}

function batchText({ maxBatch, waitMs }: Batch): string {
  return maxBatch === 1 ? "no batches" : `batches of ${maxBatch} within ${waitMs} ms`;
}

/** A configuration with its curve. */
export interface Reading {
  readonly id: string;
  readonly name: string;
  readonly color: string;
  readonly curve: CurveState | undefined;
  /** Absent for the present one. */
  readonly onTake?: () => void;
  readonly onRemove?: () => void;
}

interface ReadingsProps {
  readonly readings: readonly Reading[];
  readonly load: number;
  /** The load with its unit. */
  readonly shownLoad: string;
}

interface Column {
  readonly title: string;
  readonly metric: string;
  readonly show: (value: number) => string;
  /** The rule: where all have it, the column is left out. */
  readonly usual?: number;
}

const COLUMNS: readonly Column[] = [
  { title: "p50", metric: "latencyP50Ms", show: milliseconds },
  { title: "p95", metric: "latencyP95Ms", show: milliseconds },
  { title: "p99", metric: "latencyP99Ms", show: milliseconds },
  { title: "first token", metric: "ttftMeanMs", show: milliseconds },
  { title: "each further token", metric: "tpotMeanMs", show: milliseconds },
  { title: "within SLO", metric: "sloAttainmentRatio", show: precisePercent },
  { title: "busy", metric: "utilizationRatio", show: precisePercent },
  { title: "tokens / s", metric: "tokensPerS", show: figures },
  { title: "blocks in use", metric: "kvUseRatio", show: precisePercent },
  { title: "preempted", metric: "preemptionsPerRequest", show: figures, usual: 0 },
  { title: "dropped", metric: "dropRatio", show: precisePercent, usual: 0 },
  { title: "batch", metric: "batchSizeMean", show: figures, usual: 1 },
  { title: "cost / h", metric: "costPerHour", show: figures },
  { title: "cost / 1,000", metric: "costPer1000Requests", show: figures },
];

export function Readings({ readings, load, shownLoad }: ReadingsProps) {
  const results = readings.map(({ curve }) => curve?.points.get(load));
  const columns = usedColumns(results);
  return (
    <Table
      caption={`At ${shownLoad}, with 95% intervals`}
      first="Configuration"
      columns={columns}
      {...(readings.length > 1 ? { hidden: "Take or remove" } : {})}
    >
      {readings.map(({ id, name, color, onTake, onRemove }, i) => (
        <tr key={id}>
          <th scope="row">
            <span className="wi-dot" style={{ background: `var(${color})` }} />
            {name}
          </th>
          <Cells columns={columns} result={results[i]} />
          {readings.length > 1 && (
            <td className="wi-row-actions">
              {onTake !== undefined && (
                <Button aria-label={`Take ${name}`} onPress={onTake}>
                  Take
                </Button>
              )}
              {onRemove !== undefined && (
                <Button aria-label={`Remove ${name}`} onPress={onRemove}>
                  Remove
                </Button>
              )}
            </td>
          )}
        </tr>
      ))}
    </Table>
  );
}

interface PointsTableProps {
  readonly loads: readonly number[];
  readonly curve: CurveState | undefined;
  readonly loadTitle: string;
}

export function PointsTable({ loads, curve, loadTitle }: PointsTableProps) {
  const results = loads.map((load) => curve?.points.get(load));
  const columns = usedColumns(results);
  return (
    <Table caption="All points of the present configuration" first={loadTitle} columns={columns}>
      {loads.map((load, i) => (
        <tr key={load}>
          <th scope="row" data-value={load}>
            {load}
          </th>
          <Cells columns={columns} result={results[i]} />
        </tr>
      ))}
    </Table>
  );
}

function usedColumns(results: readonly (PointResult | undefined)[]): readonly Column[] {
  return COLUMNS.filter(({ metric, usual }) =>
    results.some((result) => {
      const mean = estimateOf(result, metric)?.mean;
      return mean !== undefined && mean !== usual;
    }),
  );
}

/** Whether a figure depends on how long an overloaded run was, and estimates nothing. */
export function isOverloaded(result: PointResult | undefined, metric: string): boolean {
  return result?.stability === "unstable" && /^(latency|ttft|sloAttainment)/.test(metric);
}

export function estimateOf(result: PointResult | undefined, metric: string): Estimate | undefined {
  return (result?.metrics as Readonly<Record<string, Estimate>> | undefined)?.[metric];
}

const twoDigits = (half: number, show: Column["show"]) => show(Number(half.toPrecision(2)));

function partsTitle({ parts }: Estimate, show: Column["show"]): string | undefined {
  if (parts === undefined) return undefined;
  const [simulation, inputs] = [parts.simulation, parts.inputs].map((one) => twoDigits(one, show));
  return `simulation ${simulation}, calibration ${inputs}`;
}

interface TableProps {
  readonly caption: string;
  readonly first: string;
  readonly columns: readonly Column[];
  /** As of `Head`. */
  readonly hidden?: string;
  readonly children: ReactNode;
}

function Table({ caption, first, columns, children, ...of }: TableProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls takes the keyboard
    <section className="wi-scroll" aria-label={caption} tabIndex={0}>
      <table>
        <caption>{caption}</caption>
        <Head columns={[first, ...columns.map(({ title }) => title), "runs"]} {...of} />
        <tbody>{children}</tbody>
      </table>
    </section>
  );
}

interface CellsProps {
  readonly columns: readonly Column[];
  readonly result: PointResult | undefined;
}

function Cells({ columns, result }: CellsProps) {
  return (
    <>
      {columns.map(({ title, metric, show }) => {
        const estimate = estimateOf(result, metric);
        const isVoid = isOverloaded(result, metric);
        return (
          <td key={title} data-metric={metric} data-value={estimate?.mean}>
            {estimate === undefined ? "–" : isVoid ? "overloaded" : show(estimate.mean)}
            {estimate === undefined || isVoid || !(estimate.halfWidth95 > 0) ? null : (
              <small title={partsTitle(estimate, show)}>
                {" "}
                ± {twoDigits(estimate.halfWidth95, show)}
              </small>
            )}
          </td>
        );
      })}
      <td data-digest={result?.digest}>{result?.replications ?? 0}</td>
    </>
  );
}
