/** The sweep of a scenario as assignments of values to paths: the whole grid, or a sample of it. */
import type { z } from "zod";
import { Fault } from "../../engine/basics/fault.ts";
import { grouped } from "../../engine/basics/iterables.ts";
import { RandomStream } from "../../engine/random/stream.ts";
import { type Issues, issueAt } from "../reading/issues.ts";
import type { Assignment } from "../reading/set-path.ts";
import type { rangeSchema } from "../schema/run.ts";
import type { Parts, ScenarioDocument } from "../schema/scenario.ts";

type Sweep = NonNullable<ScenarioDocument["sweep"]>;
export type Range = z.infer<typeof rangeSchema>;

/** Equal steps of a range without a step of its own. */
const CONTINUOUS_STEPS = 1_000_000;
/** One more than the most configurations of a sweep. */
const MOST_VALUES = 1_000_001;

/** An axis by how many values it has; a continuous one stands for all between. */
export interface AxisSize {
  readonly size: number;
  readonly continuous: boolean;
}

/** The values of one path of a grid; all points of a list together. */
interface Axis extends AxisSize {
  /** So many of its first values show all that there is: of a range, the start alone. */
  readonly distinct: number;
  at(index: number): Assignment;
}

export function isPoints(sweep: Sweep): sweep is { points: Record<string, unknown>[] } {
  return "points" in sweep && Array.isArray(sweep.points);
}

function isList(values: Values): values is readonly unknown[] {
  return Array.isArray(values);
}

type Values = readonly unknown[] | Range;

/** The axes of a sweep in the order of the file; none without a sweep. */
export function axesOf(sweep: Sweep = {}): readonly Axis[] {
  if (isPoints(sweep)) {
    const { points } = sweep;
    const at = (i: number) => pointAssignment(points[i], `sweep.points.${i}`);
    return [{ size: points.length, distinct: points.length, continuous: false, at }];
  }
  return Object.entries(sweep as Readonly<Record<string, Values>>).map(([path, values]): Axis => {
    const from = `sweep.${path}`;
    if (isList(values)) {
      const at = (i: number) => [{ path, value: values[i], from: `${from}.${i}` }];
      return { size: values.length, distinct: values.length, continuous: false, at };
    }
    const at = (i: number) => [{ path, value: valueAt(values, i), from }];
    return { size: sizeOf(values), distinct: 1, continuous: values.step === undefined, at };
  });
}

/** The paths that a sweep sets, in the order of the file. */
export function sweptPaths(sweep: Sweep | undefined): readonly string[] {
  return [...sweptValues(sweep).keys()];
}

/** Every value of each swept path, in the order of the file; of a range, its start alone. */
export function sweptValues(sweep: Sweep | undefined): ReadonlyMap<string, readonly unknown[]> {
  const entries = grouped(representatives(sweep).flat(), ({ path }) => path);
  return new Map([...entries].map(([path, all]) => [path, all.map(({ value }) => value)]));
}

/** The number of configurations, found without making them; 1 without a sweep. */
export function countConfigurations(sweep: Sweep | undefined): number {
  return axesOf(sweep).reduce((product, { size }) => product * size, 1);
}

function sizeOf({ from, to, step }: Range): number {
  if (step === undefined) return to > from ? CONTINUOUS_STEPS + 1 : 1;
  // The slack makes up for the division: (0.3 - 0.1) / 0.1 is 1.9999999999999998.
  const steps = ((to - from) / step) * (1 + 1e-12) + 1e-9;
  return Math.max(0, Math.floor(steps) + 1);
}

/** The value of a range at one index, rounded to the decimals of its step and start. */
function valueAt({ from, to, step }: Range, index: number): number {
  if (step === undefined) {
    return Number((from + ((to - from) * index) / CONTINUOUS_STEPS).toPrecision(12));
  }
  const digits = Math.min(100, Math.max(decimals(from), decimals(step)));
  return Number((from + index * step).toFixed(digits));
}

/** The values of a range with a step; of a long one, more than any sweep may have. */
export function rangeValues(range: Range): readonly number[] {
  const size = Math.min(sizeOf(range), MOST_VALUES);
  return Array.from({ length: size }, (_, index) => valueAt(range, index));
}

function decimals(value: number): number {
  const match = /^-?\d+(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value));
  return Math.max(0, (match?.[1]?.length ?? 0) - Number(match?.[2] ?? 0));
}

/** The paths of ranges without a step, which only a sample can take values from. */
export function continuousPaths(sweep: Sweep | undefined): readonly string[] {
  const ranges = axesOf(sweep).filter(({ continuous }) => continuous);
  return ranges.flatMap((axis) => axis.at(0).map(({ path }) => path));
}

/** One configuration of a sweep: in a grid the last path of the file changes fastest. */
export function assignmentAt(sweep: Sweep | undefined, index: number): Assignment {
  let rest = index;
  const parts = axesOf(sweep)
    .toReversed()
    .map(({ size, at }) => {
      const part = at(rest % size);
      rest = Math.floor(rest / size);
      return part;
    });
  return parts.reverse().flat();
}

/** The configuration with the given value of each axis, by its place on that axis. */
export function assignmentOf(sweep: Sweep, point: Int32Array): Assignment {
  return axesOf(sweep).flatMap((axis, i) => axis.at(point[i]));
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
 * a grid alone. A range gives its start only.
 */
export function representatives(sweep: Sweep | undefined): readonly Assignment[] {
  return axesOf(sweep).flatMap(shownBy);
}

/** The assignments of an axis that show all its values. */
export function shownBy({ distinct, at }: Axis): readonly Assignment[] {
  return Array.from({ length: distinct }, (_, i) => at(i));
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
  if (Object.keys(sweep).length === 0) {
    yield issueAt("sweep", "an empty sweep: expected `path: [values]`", "or drop the section");
  }
  for (const [path, values] of Object.entries(sweep)) {
    if (isList(values) || values.to >= values.from) continue;
    const message = `expected \`to\` from ${values.from} up, got ${values.to}`;
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
    const parts = stream.shuffled(count);
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

function inGridOrder(a: Int32Array, b: Int32Array): number {
  const axis = a.findIndex((index, i) => index !== b[i]);
  return axis < 0 ? 0 : a[axis] - b[axis];
}
