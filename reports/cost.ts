/** What a configuration costs: the price of its machines, where they have one, and its replicas. */
import type { ConfigurationResult, Estimate, ResultsDocument } from "../core/results.ts";
import { formatNumber } from "./format.ts";

type Figure = (one: ConfigurationResult) => Estimate | undefined;

/** What rounding leaves of a difference between equal costs, relative to them. */
const ROUNDING = 1e-9;

const price: Figure = ({ metrics }) => metrics.costPerHour;

/** Of all tasks; a mean where they come and go. Undefined where a task does not say how many. */
export const replicas: Figure = ({ tasks }) => {
  let [mean, halfWidth95] = [0, 0];
  for (const { replicasMean } of Object.values(tasks)) {
    if (replicasMean === undefined) return undefined;
    mean += replicasMean.mean;
    halfWidth95 += replicasMean.halfWidth95;
  }
  return mean === 0 ? undefined : { mean, halfWidth95 };
};

/** "6 replicas, 13/h": all replicas, and the price where there is one. */
export function costText(one: ConfigurationResult): string {
  const [count, charged] = [replicas(one)?.mean, price(one)?.mean];
  return [
    ...(count === undefined
      ? []
      : [`${formatNumber(count, 6)} ${count === 1 ? "replica" : "replicas"}`]),
    ...(charged === undefined ? [] : [`${formatNumber(charged, 5)}/h`]),
  ].join(", ");
}

/** Those at the least price with the fewest replicas; costs whose intervals overlap are equal. */
export function leastCostly(ones: readonly ConfigurationResult[]): readonly ConfigurationResult[] {
  return leastBy(leastBy(ones, price), replicas);
}

function leastBy(ones: readonly ConfigurationResult[], figure: Figure) {
  const all = ones.map((one) => figure(one) ?? { mean: 0, halfWidth95: 0 });
  const least = all.toSorted((a, b) => a.mean - b.mean)[0];
  return ones.filter((_, i) => {
    const widths = all[i].halfWidth95 + least.halfWidth95;
    return all[i].mean - least.mean <= Math.max(widths, ROUNDING * least.mean);
  });
}

export interface CostAxis {
  readonly title: "cost per hour" | "replicas";
  readonly of: (one: ConfigurationResult) => number | undefined;
}

/** The price where it tells configurations apart, or replicas do not. */
export function costAxis({ configurations }: ResultsDocument): CostAxis {
  const distinct = (figure: Figure) =>
    new Set(configurations.flatMap((one) => figure(one)?.mean ?? [])).size;
  const prices = distinct(price);
  return prices > 1 || (prices === 1 && distinct(replicas) < 2)
    ? { title: "cost per hour", of: (one) => price(one)?.mean }
    : { title: "replicas", of: (one) => replicas(one)?.mean };
}
