/** The sweep of a scenario as assignments: which values stand at which paths. */
import type { Issue } from "../fault.ts";
import { issueAt } from "./positions.ts";
import type { ScenarioDocument } from "./schema.ts";

type Sweep = NonNullable<ScenarioDocument["sweep"]>;
type Points = readonly Readonly<Record<string, unknown>>[];
type Range = { readonly from: number; readonly to: number; readonly step: number };

/** One combination of swept values, in the order of the file; `from` is where each is written. */
export interface Assignment {
  readonly entries: readonly {
    readonly path: string;
    readonly value: unknown;
    readonly from: string;
  }[];
}

export function isPoints(sweep: Sweep): sweep is { points: Record<string, unknown>[] } {
  return "points" in sweep && Array.isArray(sweep.points);
}

function axesOf(sweep: Sweep): [string, readonly unknown[] | Range][] {
  return Object.entries(sweep) as [string, readonly unknown[] | Range][];
}

/** The paths that a sweep sets, in the order of the file. */
export function sweptPaths(sweep: Sweep | undefined): readonly string[] {
  if (sweep === undefined) return [];
  const lists = isPoints(sweep) ? sweep.points.map((point) => Object.keys(point)) : undefined;
  return [...new Set(lists?.flat() ?? Object.keys(sweep))];
}

/** How many configurations a sweep has, found without making them; 1 without a sweep. */
export function countConfigurations(sweep: Sweep | undefined): number {
  if (sweep === undefined) return 1;
  if (isPoints(sweep)) return sweep.points.length;
  return axesOf(sweep).reduce((product, [, axis]) => product * sizeOf(axis), 1);
}

function sizeOf(axis: readonly unknown[] | Range): number {
  if (isList(axis)) return axis.length;
  // The slack takes back what the division loses: (0.3 - 0.1) / 0.1 is 1.9999999999999998.
  const steps = ((axis.to - axis.from) / axis.step) * (1 + 1e-12) + 1e-9;
  return Math.max(0, Math.floor(steps) + 1);
}

function isList(axis: readonly unknown[] | Range): axis is readonly unknown[] {
  return Array.isArray(axis);
}

/** The value of a range at one index, rounded to the decimals of its step and start. */
function valueAt(axis: readonly unknown[] | Range, index: number): unknown {
  if (isList(axis)) return axis[index];
  const digits = Math.min(100, Math.max(decimals(axis.from), decimals(axis.step)));
  return Number((axis.from + index * axis.step).toFixed(digits));
}

function decimals(value: number): number {
  const match = /^-?\d+(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value));
  return Math.max(0, (match?.[1]?.length ?? 0) - Number(match?.[2] ?? 0));
}

/** One configuration of a sweep: in a grid the last path of the file changes fastest. */
export function assignmentAt(sweep: Sweep | undefined, index: number): Assignment {
  if (sweep === undefined) return { entries: [] };
  if (isPoints(sweep)) return pointAssignment(sweep.points[index]!, `sweep.points[${index}]`);
  let rest = index;
  const entries = axesOf(sweep)
    .reverse()
    .map(([path, axis]) => {
      const size = sizeOf(axis);
      const at = rest % size;
      rest = Math.floor(rest / size);
      const from = isList(axis) ? `sweep.${path}[${at}]` : `sweep.${path}`;
      return { path, value: valueAt(axis, at), from };
    });
  return { entries: entries.reverse() };
}

/** A point, written at `from`, as an assignment. */
export function pointAssignment(point: Points[number], from: string): Assignment {
  const entries = Object.entries(point);
  return { entries: entries.map(([path, value]) => ({ path, value, from: `${from}.${path}` })) };
}

/**
 * Every value of a sweep at least once, without the product: points as they are, and each value of
 * a grid alone. Of a range, only its start.
 */
export function representatives(sweep: Sweep | undefined): readonly Assignment[] {
  if (sweep === undefined) return [];
  if (isPoints(sweep)) {
    return sweep.points.map((point, i) => pointAssignment(point, `sweep.points[${i}]`));
  }
  return axesOf(sweep).flatMap(([path, axis]) => {
    if (!isList(axis)) return [{ entries: [{ path, value: axis.from, from: `sweep.${path}` }] }];
    return axis.map((value, i) => ({ entries: [{ path, value, from: `sweep.${path}[${i}]` }] }));
  });
}

/** Sweeps that give no configuration. */
export function checkSweep({ sweep }: Pick<ScenarioDocument, "sweep">): Issue[] {
  if (sweep === undefined) return [];
  if (isPoints(sweep)) {
    return sweep.points.flatMap((point, index) =>
      Object.keys(point).length > 0
        ? []
        : [issueAt(`sweep.points[${index}]`, "an empty point: expected `path: value`")],
    );
  }
  const axes = axesOf(sweep);
  if (axes.length === 0) {
    return [issueAt("sweep", "an empty sweep: expected `path: [values]`", "or drop the section")];
  }
  return axes.flatMap(([path, axis]) => {
    if (isList(axis) || axis.to >= axis.from) return [];
    const message = `expected \`to\` from ${axis.from} up, got ${axis.to}`;
    return [issueAt(`sweep.${path}.to`, message, "a range runs upwards from `from`")];
  });
}
