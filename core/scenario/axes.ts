/** The sweep of a scenario as assignments of values to paths: the whole grid, or a sample of it. */
import { Fault } from "../fault.ts";
import { grouped } from "../iterables.ts";
import { RandomStream } from "../random/stream.ts";
import { type Issues, issueAt } from "./issues.ts";
import type { Parts, ScenarioDocument } from "./schema.ts";

type Sweep = NonNullable<ScenarioDocument["sweep"]>;
export type Range = {
  readonly from: number;
  readonly to: number;
  readonly step?: number | undefined;
};
type Axis = readonly unknown[] | Range;

/** Equal steps of a range without a step of its own. */
const CONTINUOUS_STEPS = 1_000_000;
/** One more than the most configurations of a sweep. */
const MOST_VALUES = 1_000_001;

/** One combination of swept values, in the order of the file; `from` is the place of each value. */
export type Assignment = readonly {
  readonly path: string;
  readonly value: unknown;
  readonly from: string;
}[];

export function isPoints(sweep: Sweep): sweep is { points: Record<string, unknown>[] } {
  return "points" in sweep && Array.isArray(sweep.points);
}

function axesOf(sweep: Sweep): [string, Axis][] {
  return Object.entries(sweep) as [string, Axis][];
}

/** The paths that a sweep sets, in the order of the file. */
export function sweptPaths(sweep: Sweep = {}): readonly string[] {
  return [...new Set(isPoints(sweep) ? sweep.points.flatMap(Object.keys) : Object.keys(sweep))];
}

/** Every value of each swept path, in the order of the file; of a range, its start alone. */
export function sweptValues(sweep: Sweep | undefined): ReadonlyMap<string, readonly unknown[]> {
  const entries = grouped(representatives(sweep).flat(), ({ path }) => path);
  return new Map([...entries].map(([path, all]) => [path, all.map(({ value }) => value)]));
}

/** The number of configurations, found without making them; 1 without a sweep. */
export function countConfigurations(sweep: Sweep | undefined): number {
  return axisSizes(sweep ?? { points: [{}] }).reduce((product, { size }) => product * size, 1);
}

function sizeOf(axis: Axis): number {
  if (isList(axis)) return axis.length;
  if (axis.step === undefined) return axis.to > axis.from ? CONTINUOUS_STEPS + 1 : 1;
  // The slack makes up for the division: (0.3 - 0.1) / 0.1 is 1.9999999999999998.
  const steps = ((axis.to - axis.from) / axis.step) * (1 + 1e-12) + 1e-9;
  return Math.max(0, Math.floor(steps) + 1);
}

function isList(axis: Axis): axis is readonly unknown[] {
  return Array.isArray(axis);
}

/** The value of a range at one index, rounded to the decimals of its step and start. */
function valueAt(axis: Axis, index: number): unknown {
  if (isList(axis)) return axis[index];
  if (axis.step === undefined) {
    const value = axis.from + ((axis.to - axis.from) * index) / CONTINUOUS_STEPS;
    return Number(value.toPrecision(12));
  }
  const digits = Math.min(100, Math.max(decimals(axis.from), decimals(axis.step)));
  return Number((axis.from + index * axis.step).toFixed(digits));
}

/** The values of a range with a step; of a long one, more than any sweep may have. */
export function rangeValues(range: Range): readonly unknown[] {
  const size = Math.min(sizeOf(range), MOST_VALUES);
  return Array.from({ length: size }, (_, index) => valueAt(range, index));
}

function decimals(value: number): number {
  const match = /^-?\d+(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value));
  return Math.max(0, (match?.[1]?.length ?? 0) - Number(match?.[2] ?? 0));
}

/** The axes that a sample draws from; the points of a sweep are one axis. */
export function axisSizes(sweep: Sweep): readonly AxisSize[] {
  if (isPoints(sweep)) return [{ size: sweep.points.length, continuous: false }];
  return axesOf(sweep).map(([, axis]) => ({ size: sizeOf(axis), continuous: isContinuous(axis) }));
}

function isContinuous(axis: Axis): boolean {
  return !isList(axis) && axis.step === undefined;
}

/** The paths of ranges without a step, which only a sample can take values from. */
export function continuousPaths(sweep: Sweep | undefined): readonly string[] {
  if (sweep === undefined || isPoints(sweep)) return [];
  return axesOf(sweep).flatMap(([path, axis]) => (isContinuous(axis) ? [path] : []));
}

/** One configuration of a sweep: in a grid the last path of the file changes fastest. */
export function assignmentAt(sweep: Sweep | undefined, index: number): Assignment {
  if (sweep === undefined) return [];
  const sizes = axisSizes(sweep);
  const point = new Int32Array(sizes.length);
  let rest = index;
  for (let axis = sizes.length - 1; axis >= 0; axis--) {
    point[axis] = rest % sizes[axis].size;
    rest = Math.floor(rest / sizes[axis].size);
  }
  return assignmentOf(sweep, point);
}

/** The configuration with the given value of each axis, by its place on that axis. */
export function assignmentOf(sweep: Sweep, point: Int32Array): Assignment {
  if (isPoints(sweep)) {
    return pointAssignment(sweep.points[point[0]], `sweep.points.${point[0]}`);
  }
  return axesOf(sweep).map(([path, axis], i) => {
    const from = isList(axis) ? `sweep.${path}.${point[i]}` : `sweep.${path}`;
    return { path, value: valueAt(axis, point[i]), from };
  });
}

/** A point, written at `from`, as an assignment. */
function pointAssignment(point: Readonly<Record<string, unknown>>, from: string): Assignment {
  return Object.entries(point).map(([path, value]) => ({ path, value, from: `${from}.${path}` }));
}

/** The points of the validation, in the order of the file; undefined without them. */
export function validationPoints({
  validation,
}: Pick<Partial<ScenarioDocument>, "validation">): readonly Assignment[] | undefined {
  return validation?.points?.map((point, i) => pointAssignment(point, `validation.points.${i}`));
}

/**
 * Every value of a sweep at least once, without the product: points as they are, and each value of
 * a grid alone. Of a range, only its start.
 */
export function representatives(sweep: Sweep | undefined): readonly Assignment[] {
  if (sweep === undefined) return [];
  if (isPoints(sweep)) {
    return sweep.points.map((point, i) => pointAssignment(point, `sweep.points.${i}`));
  }
  return axesOf(sweep).flatMap(([path, axis]) => {
    if (!isList(axis)) return [[{ path, value: axis.from, from: `sweep.${path}` }]];
    return axis.map((value, i) => [{ path, value, from: `sweep.${path}.${i}` }]);
  });
}

/** Sweeps that give no configuration. */
export function* checkSweep({ sweep }: Parts<"sweep">): Issues {
  if (sweep === undefined) return;
  if (isPoints(sweep)) {
    for (const [index, point] of sweep.points.entries()) {
      if (Object.keys(point).length > 0) continue;
      yield issueAt(`sweep.points.${index}`, "an empty point: expected `path: value`");
    }
    return;
  }
  const axes = axesOf(sweep);
  if (axes.length === 0) {
    yield issueAt("sweep", "an empty sweep: expected `path: [values]`", "or drop the section");
  }
  for (const [path, axis] of axes) {
    if (isList(axis) || axis.to >= axis.from) continue;
    const message = `expected \`to\` from ${axis.from} up, got ${axis.to}`;
    yield issueAt(`sweep.${path}.to`, message, "a range runs upwards from `from`");
  }
}

export const SAMPLE_METHODS = ["latin-hypercube", "random"] as const;

/**
 * Latin hypercube: each axis is cut into `count` equal parts and every part is used once, so that
 * each axis alone is covered evenly. Random: every combination is as likely as any other.
 */
export interface Sample {
  readonly method: (typeof SAMPLE_METHODS)[number];
  readonly count: number;
}

/** An axis of a sweep, by how many values it has; a continuous one stands for all between. */
export interface AxisSize {
  readonly size: number;
  readonly continuous: boolean;
}

/** Exchanges to try for two equal points before giving up. */
const MOST_TRIES = 1000;

/**
 * Distinct points as indices of values, one row of `axes.length` a point, in the order of the grid.
 * The same seed gives the same points. Throws Fault("usage") when there are not so many points, or
 * when a Latin hypercube of so many of them was not found.
 */
export function samplePoints(
  axes: readonly AxisSize[],
  { method, count }: Sample,
  seed: number,
): readonly Int32Array[] {
  const all = axes.reduce((product, { size }) => product * size, 1);
  if (count > all) {
    const message = `a sample of ${count} out of ${all} configurations`;
    throw new Fault("usage", message, { hint: "sample fewer, or run the whole sweep" });
  }
  const stream = new RandomStream(String(seed), `sweep/${method}`);
  const points =
    method === "random" ? randomPoints(axes, count, stream) : latinHypercube(axes, count, stream);
  return points.sort(inGridOrder);
}

function randomPoints(axes: readonly AxisSize[], count: number, stream: RandomStream) {
  const points = new Map<string, Int32Array>();
  while (points.size < count) {
    const point = Int32Array.from(axes, ({ size }) => stream.integer(size));
    points.set(point.join(), point);
  }
  return [...points.values()];
}

function latinHypercube(
  axes: readonly AxisSize[],
  count: number,
  stream: RandomStream,
): Int32Array[] {
  const points = Array.from({ length: count }, () => new Int32Array(axes.length));
  for (const [axis, { size, continuous }] of axes.entries()) {
    const parts = shuffled(count, stream);
    // One offset for all parts gives each value of a list as many points as any other, ± 1.
    const offset = stream.uniform();
    for (const [i, part] of parts.entries()) {
      const within = continuous ? stream.uniform() : offset;
      points[i][axis] = Math.min(size - 1, Math.floor(((part + within) / count) * size));
    }
  }
  tellApart(points, stream);
  return points;
}

/** Exchanges values of one axis between points until no two are equal: each axis stays covered. */
function tellApart(points: readonly Int32Array[], stream: RandomStream): void {
  const counts = new Map<string, number>();
  const note = (point: Int32Array, by: number): void => {
    const key = point.join();
    const count = (counts.get(key) ?? 0) + by;
    if (count > 0) counts.set(key, count);
    else counts.delete(key);
  };
  const isOnly = (point: Int32Array): boolean => counts.get(point.join()) === 1;
  const exchange = (a: Int32Array, b: Int32Array, axis: number): void => {
    for (const point of [a, b]) note(point, -1);
    [a[axis], b[axis]] = [b[axis], a[axis]];
    for (const point of [a, b]) note(point, 1);
  };
  for (const point of points) note(point, 1);
  // An exchange may make a point equal to an earlier one.
  for (let round = 0; counts.size < points.length; round++) {
    if (round >= MOST_TRIES) throw tooDense(points.length);
    for (const point of points) {
      for (let tries = 0; !isOnly(point); tries++) {
        if (tries >= MOST_TRIES) throw tooDense(points.length);
        const other = points[stream.integer(points.length)];
        const axis = stream.integer(point.length);
        const wasOnly = isOnly(other);
        exchange(point, other, axis);
        if (!isOnly(point) || (wasOnly && !isOnly(other))) exchange(point, other, axis);
      }
    }
  }
}

function tooDense(count: number): Fault {
  return new Fault("usage", `no Latin hypercube of ${count} different configurations was found`, {
    hint: "sample fewer, use `--sample random`, or run the whole sweep",
  });
}

function shuffled(count: number, stream: RandomStream): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = stream.integer(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

function inGridOrder(a: Int32Array, b: Int32Array): number {
  const axis = a.findIndex((index, i) => index !== b[i]);
  return axis < 0 ? 0 : a[axis] - b[axis];
}
