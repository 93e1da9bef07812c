/** Arrival rates that were given as shares of capacity, in words. */
import type { LoadCapacity, Parameter } from "../core/results.ts";
import { formatNumber } from "./format.ts";
import { parameterText } from "./parameters.ts";

/** A rate that was given as a share of capacity shows both, as in `8.2 (60%)`; others as any parameter. */
export function loadText(
  path: string,
  value: Parameter | undefined,
  capacity: LoadCapacity | undefined,
): string {
  const text = parameterText(value);
  const isRate = /(^|\.)ratePerS$/.test(path);
  const share = capacity?.shares.find(({ ratePerS }) => isRate && ratePerS === value);
  return share === undefined ? text : `${text} (${percent(share.ofCapacity)})`;
}

/** The rates, the capacity, and the shape whose it is; empty where no rate was given so. */
export function capacityText(capacity: LoadCapacity | undefined): string {
  if (capacity === undefined) return "";
  const { perS, station, replicas, shares } = capacity;
  const rates = shares.map(
    ({ ofCapacity, ratePerS }) => `${percent(ofCapacity)} is ${formatNumber(ratePerS, 4)}/s`,
  );
  const shape = Object.entries(replicas).map(([task, count]) => `${task} ${count}`);
  const bound = `bound by ${station} with replicas ${shape.join(", ")}`;
  return `shares of capacity: ${rates.join(", ")}; capacity ${formatNumber(perS, 4)}/s, ${bound}`;
}

function percent(share: number): string {
  return `${formatNumber(100 * share, 4)}%`;
}
