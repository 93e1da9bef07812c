/** Arrival rates given as shares of capacity, and the numbers that take their place. */
import type { Issue } from "../fault.ts";
import { isPoints, type Range, rangeValues } from "./axes.ts";
import { issueAt } from "./positions.ts";
import { capacityShare } from "./schema/common.ts";
import type { ScenarioDocument } from "./schema.ts";

/** A share as given, and the requests per second that it stands for. */
export interface ResolvedShare {
  readonly ofCapacity: number;
  readonly ratePerS: number;
}

/** A key of a workload, or a swept path. */
const RATE = /^(workload\..+\.|workload\.)?ratePerS$/;
const SHARE_OF_RATE = /^(workload\.(?:.+\.)?ratePerS)\.ofCapacity$/;
/** Rates are rounded to so many digits, so that the ids of configurations stay readable. */
const DIGITS = 4;

/** The path of the rate itself where `path` ends in its share. */
export function ratePathOf(path: string): string {
  return path.replace(SHARE_OF_RATE, "$1");
}

/** Swept rates of which a share of capacity is swept too. */
export function checkSharesOnce({
  sweep = {},
  validation,
}: Pick<Partial<ScenarioDocument>, "sweep" | "validation">): Issue[] {
  const swept = isPoints(sweep)
    ? sweep.points.map((point, i) => [`sweep.points.${i}`, point] as const)
    : [["sweep", sweep] as const];
  const points = validation?.points ?? [];
  const validated = points.map((point, i) => [`validation.points.${i}`, point] as const);
  return [...swept, ...validated].flatMap(([from, mapping]) =>
    Object.keys(mapping)
      .filter((path) => SHARE_OF_RATE.test(path) && Object.hasOwn(mapping, ratePathOf(path)))
      .map((path) => {
        const message = `\`${ratePathOf(path)}\` is given too: expected one of the two`;
        const hint = "one list may hold rates and shares: [8, { ofCapacity: 0.6 }]";
        return issueAt(`${from}.${path}`, message, hint);
      }),
  );
}

/**
 * `value`, at any depth, with a number for each share under a key or path that ends in `ratePerS`:
 * alone, in a list of swept values, or as `ratePerS.ofCapacity` with a number, a list or a range.
 * Shares that the schema refuses stay, for the parser to report. `found` hears of all others.
 */
export function withRates<T>(
  value: T,
  capacityPerS: number,
  found: (share: ResolvedShare) => void = () => {},
): T {
  const rateOf = (share: unknown): unknown => {
    const parsed = capacityShare.safeParse(share);
    if (!parsed.success) return share;
    const { ofCapacity } = parsed.data;
    const ratePerS = Number((ofCapacity * capacityPerS).toPrecision(DIGITS));
    found({ ofCapacity, ratePerS });
    return ratePerS;
  };
  const shareRate = (ofCapacity: unknown): unknown => rateOf({ ofCapacity });
  const ratesOf = (shares: unknown): unknown => {
    if (!isRange(shares)) return eachOf(shares, shareRate);
    // Steps are taken before rates are rounded, so that the last is not missed.
    if (shares.step !== undefined) return rangeValues(shares).map(shareRate);
    return { from: shareRate(shares.from), to: shareRate(shares.to) };
  };
  const resolved = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(resolved);
    if (!isMapping(node)) return node;
    const entries = Object.entries(node).map(([key, inner]) => {
      const isShare = SHARE_OF_RATE.test(key);
      if (!isShare && !RATE.test(key)) return [key, resolved(inner)];
      return [ratePathOf(key), isShare ? ratesOf(inner) : eachOf(inner, rateOf)];
    });
    return Object.fromEntries(entries);
  };
  return resolved(value) as T;
}

/** The shares in `value`, each once, the smallest first. */
export function sharesIn(value: unknown, capacityPerS = 1): readonly ResolvedShare[] {
  const shares = new Map<number, ResolvedShare>();
  withRates(value, capacityPerS, (share) => shares.set(share.ofCapacity, share));
  return [...shares.values()].sort((a, b) => a.ofCapacity - b.ofCapacity);
}

function eachOf(value: unknown, change: (one: unknown) => unknown): unknown {
  return Array.isArray(value) ? value.map(change) : change(value);
}

function isRange(value: unknown): value is Range {
  return isMapping(value) && "from" in value && "to" in value;
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
