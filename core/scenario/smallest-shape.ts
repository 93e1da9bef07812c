/**
 * The smallest shape of a sweep: the fewest replicas, among equals the least cost per hour, among
 * equals the first in the order of the file. Found axis by axis, the others held, as the count and
 * the cost of a shape are sums over its tasks and nodes.
 */
import { type Assignment, assignmentAt, assignmentOf, axisSizes } from "./axes.ts";
import type { LoadedScenario } from "./parse.ts";
import type { ClusterDocument } from "./schema.ts";
import { makeVariant, sectionOf } from "./variant.ts";

type Parts = Pick<LoadedScenario, "document" | "sectionFiles">;
type Size = readonly [replicas: number, costPerHour: number];

/** Beyond so many values only the ends of an axis are looked at: it is a range, so one is least. */
const MOST_VALUES = 10_000;

/** Where nothing else tells, each axis has its first value. */
export function smallestAssignment(loaded: Parts): Assignment {
  const { sweep } = loaded.document;
  if (sweep === undefined) return assignmentAt(sweep, 0);
  const sizes = axisSizes(sweep);
  const point = new Int32Array(sizes.length);
  const known = new Map<string, Size>();
  const sizeAt = (axis: number, index: number): Size => {
    const { entries } = assignmentOf(sweep, point.with(axis, index));
    const own = entries.filter(({ path }) => sectionOf(path) === "cluster");
    const key = JSON.stringify(own.map(({ path, value }) => [path, value]));
    const size = known.get(key) ?? sizeOf(loaded, own);
    known.set(key, size);
    return size;
  };
  for (const [axis, { size: count }] of sizes.entries()) {
    const step = count > MOST_VALUES ? count - 1 : 1;
    for (let index = step; index < count; index += step) {
      if (isSmaller(sizeAt(axis, index), sizeAt(axis, point[axis]))) point[axis] = index;
    }
  }
  return assignmentOf(sweep, point);
}

/** With `entries` of the cluster in place; a cluster that is refused is never the smallest. */
function sizeOf({ document, sectionFiles }: Parts, entries: Assignment["entries"]): Size {
  const { value, issues } =
    entries.length === 0
      ? { value: document.cluster, issues: [] }
      : makeVariant(document, "cluster", entries, sectionFiles);
  if (issues.length > 0) return [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  const { replicas, nodes = [] } = value as ClusterDocument;
  const sum = (values: readonly number[]): number => values.reduce((total, one) => total + one, 0);
  return [
    sum(Object.values(replicas)),
    sum(nodes.map(({ count, costPerHour }) => count * costPerHour)),
  ];
}

function isSmaller([replicas, cost]: Size, [others, otherCost]: Size): boolean {
  return replicas < others || (replicas === others && cost < otherCost);
}
