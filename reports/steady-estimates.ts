/**
 * Which figures are estimates of something: an unstable configuration's queue grows on, so its
 * latencies are of this run's length only and get a mark in place of an interval.
 */
import type { ConfigurationResult, Estimate, RunEstimate } from "../core/results.ts";
import { formatEstimate, formatNumber } from "./format.ts";
import type { Cell } from "./html/table.ts";
import { metricLabel } from "./metric-labels.ts";

/** What converges in overload, too. */
const SATURATES =
  /^(throughputPerS|utilizationRatio|batchSizeMean|service|cost|energy|dropRatio|timeoutRatio)/;

export const UNSTABLE_MARK = "*";
export const UNSTABLE_LEGEND =
  "* unstable: the queue grows on, so this depends on how long the run was and estimates nothing";

export function isUnstable(one: Pick<ConfigurationResult, "stability">): boolean {
  return one.stability === "unstable";
}

/** Whether a metric of this configuration estimates a steady state, as far as is known. */
export function isEstimate(one: Pick<ConfigurationResult, "stability">, name: string): boolean {
  return !isUnstable(one) || SATURATES.test(name);
}

/** One run alone has an interval only where its result names how that was found. */
function hasInterval(one: ConfigurationResult, name: string): boolean {
  return one.replications > 1 || Object.hasOwn(one.intervals ?? {}, name);
}

/** "3.1 ± 0.4", "3.1" of one run without an interval or a fixed price, "3.1*" where it estimates nothing. */
export function figureText(
  one: ConfigurationResult,
  name: string,
  estimate: Estimate | undefined,
): string {
  const { scale } = metricLabel(name);
  if (estimate !== undefined && !isEstimate(one, name)) {
    return `${formatNumber(estimate.mean * scale, 4)}${UNSTABLE_MARK}`;
  }
  const isPrice = name === "costPerHour" && estimate?.halfWidth95 === 0;
  if (estimate === undefined || (hasInterval(one, name) && !isPrice)) {
    return formatEstimate(estimate, scale);
  }
  return formatEstimate({ ...estimate, halfWidth95: Number.NaN }, scale);
}

/** A metric's cell in its shown unit, which the heading names. */
export function estimateCell(name: string, estimate: RunEstimate | undefined): Cell {
  const { scale } = metricLabel(name);
  const value = estimate === undefined ? undefined : estimate.mean * scale;
  return { text: formatEstimate(estimate, scale), value, numeric: true };
}

/** The cell of one configuration's metric, marked where it estimates nothing. */
export function figureCell(
  one: ConfigurationResult,
  name: string,
  estimate: Estimate | undefined,
): Cell {
  const warn = estimate !== undefined && !isEstimate(one, name);
  const text = figureText(one, name, estimate);
  return { ...estimateCell(name, estimate), text, ...(warn && { state: "warn" }) };
}
