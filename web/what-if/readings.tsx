/** The figures of each configuration at one load, and all points of the present one, as tables. */
import type { ReactNode } from "react";
import { Button } from "react-aria-components";
import type { Estimate } from "../../library/browser.ts";
import type { CurveState } from "./curve-store.ts";
import type { PointResult } from "./messages.ts";

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

export interface ReadingsProps {
  readonly readings: readonly Reading[];
  readonly load: number;
  readonly loadText: string;
}

interface Column {
  readonly title: string;
  readonly metric: string;
  readonly show: (value: number) => string;
}

const COLUMNS: readonly Column[] = [
  { title: "p50", metric: "latencyP50Ms", show: ms },
  { title: "p95", metric: "latencyP95Ms", show: ms },
  { title: "p99", metric: "latencyP99Ms", show: ms },
  { title: "within goal", metric: "sloAttainmentRatio", show: percent },
  { title: "busy", metric: "utilizationRatio", show: percent },
  { title: "dropped", metric: "dropRatio", show: percent },
  { title: "batch", metric: "batchSizeMean", show: digits },
  { title: "cost / h", metric: "costPerHour", show: digits },
  { title: "cost / 1,000", metric: "costPer1000Requests", show: digits },
];

export function Readings({ readings, load, loadText }: ReadingsProps) {
  const results = readings.map(({ curve }) => curve?.points.get(load));
  const columns = usedColumns(results);
  return (
    <Table caption={`At ${loadText}, with 95% intervals`} first="Configuration" columns={columns}>
      {readings.map(({ id, name, color, onTake, onRemove }, i) => (
        <tr key={id}>
          <th scope="row">
            <span className="wi-dot" style={{ background: `var(${color})` }} />
            {name}
          </th>
          <Cells columns={columns} result={results[i]} />
          {onTake === undefined || onRemove === undefined ? null : (
            <td className="wi-row-actions">
              <Button aria-label={`Take ${name}`} onPress={onTake}>
                Take
              </Button>
              <Button aria-label={`Remove ${name}`} onPress={onRemove}>
                Remove
              </Button>
            </td>
          )}
        </tr>
      ))}
    </Table>
  );
}

export interface PointsTableProps {
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
  return COLUMNS.filter(({ metric }) =>
    results.some((result) => {
      const estimate = estimateOf(result, metric);
      if (estimate === undefined) return false;
      // Nothing dropped and no batches are the rule.
      return metric === "dropRatio" || metric === "batchSizeMean"
        ? estimate.mean !== (metric === "dropRatio" ? 0 : 1)
        : true;
    }),
  );
}

export function estimateOf(result: PointResult | undefined, metric: string): Estimate | undefined {
  return (result?.metrics as Readonly<Record<string, Estimate>> | undefined)?.[metric];
}

interface TableProps {
  readonly caption: string;
  readonly first: string;
  readonly columns: readonly Column[];
  readonly children: ReactNode;
}

function Table({ caption, first, columns, children }: TableProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls takes the keyboard
    <section className="wi-scroll" aria-label={caption} tabIndex={0}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>
            <th scope="col">{first}</th>
            {columns.map(({ title }) => (
              <th scope="col" key={title}>
                {title}
              </th>
            ))}
            <th scope="col">runs</th>
          </tr>
        </thead>
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
        return (
          <td key={title} data-metric={metric} data-value={estimate?.mean}>
            {estimate === undefined ? "–" : show(estimate.mean)}
            {estimate === undefined || !(estimate.halfWidth95 > 0) ? null : (
              <small> ± {show(Number(estimate.halfWidth95.toPrecision(2)))}</small>
            )}
          </td>
        );
      })}
      <td data-digest={result?.digest}>{result?.replications ?? 0}</td>
    </>
  );
}

export function ms(value: number): string {
  if (value >= 10_000) return `${digits(value / 1000)} s`;
  return `${digits(value)} ms`;
}

export function percent(value: number): string {
  const share = 100 * value;
  return `${share >= 99.95 || share < 0.005 ? Math.round(share) : digits(share)}%`;
}

/** Three digits, and whole thousands. */
export function digits(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}
