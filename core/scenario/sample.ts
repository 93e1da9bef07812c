/** Points drawn from the axes of a sweep instead of their whole product. */
import { Fault } from "../fault.ts";
import { RandomStream } from "../random/stream.ts";

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

/** Exchanges that are tried to tell two equal points apart before giving up. */
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
  for (const point of points) note(point, 1);
  // What a point becomes in an exchange may equal one that was looked at before.
  for (let round = 0; counts.size < points.length; round++) {
    if (round >= MOST_TRIES) throw tooDense(points.length);
    for (const point of points) {
      for (let tries = 0; !isOnly(point); tries++) {
        if (tries >= MOST_TRIES) throw tooDense(points.length);
        const other = points[stream.integer(points.length)];
        const axis = stream.integer(point.length);
        const wasOnly = isOnly(other);
        exchange(point, other, axis, note);
        if (!isOnly(point) || (wasOnly && !isOnly(other))) exchange(point, other, axis, note);
      }
    }
  }
}

function exchange(
  a: Int32Array,
  b: Int32Array,
  axis: number,
  note: (point: Int32Array, by: number) => void,
): void {
  note(a, -1);
  note(b, -1);
  const value = a[axis];
  a[axis] = b[axis];
  b[axis] = value;
  note(a, 1);
  note(b, 1);
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
    const value = order[i];
    order[i] = order[j];
    order[j] = value;
  }
  return order;
}

function inGridOrder(a: Int32Array, b: Int32Array): number {
  for (let axis = 0; axis < a.length; axis++) {
    if (a[axis] !== b[axis]) return a[axis] - b[axis];
  }
  return 0;
}
