/**
 * Arrival rates as shares of capacity (`ratePerS: { ofCapacity: 0.6 }`) to requests per second. One
 * capacity serves a whole scenario, that of the smallest shape of its sweep, so that all
 * configurations of one load see the same arrivals.
 */
import type { Issue } from "../engine/basics/fault.ts";
import { sumOf } from "../engine/statistics/estimate.ts";
import { haveTimes } from "./checks/check-models.ts";
import { type CheckOptions, runChecks } from "./checks/checks.ts";
import { checkedAssignment } from "./expand-sweep.ts";
import type { LoadCapacity, LoadedScenario } from "./reading/files.ts";
import {
  type Issues,
  invalidInput,
  issueAt,
  type Position,
  type Positions,
} from "./reading/issues.ts";
import { type Assignment, isMapping, makeVariant, sectionOf } from "./reading/set-path.ts";
import { capacityShare } from "./schema/common.ts";
import type { ClusterDocument, ScenarioDocument } from "./schema/scenario.ts";
import {
  axesOf,
  isPoints,
  type Range,
  rangeValues,
  representatives,
  shownBy,
  sweptPaths,
  validationPoints,
} from "./sweep/axes.ts";

type ResolvedShare = LoadCapacity["shares"][number];

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
export function* checkSharesOnce({
  sweep = {},
  validation,
}: Pick<Partial<ScenarioDocument>, "sweep" | "validation">): Issues {
  const grid = sweptPaths(sweep).map((path) => ({ path, from: `sweep.${path}` }));
  const swept = isPoints(sweep) ? representatives(sweep) : [grid];
  for (const entries of [...swept, ...(validationPoints({ validation }) ?? [])]) {
    const given = new Set(entries.map(({ path }) => path));
    for (const { path, from } of entries) {
      if (!SHARE_OF_RATE.test(path) || !given.has(ratePathOf(path))) continue;
      const message = `\`${ratePathOf(path)}\` is given too: expected one of the two`;
      const hint = "one list may hold rates and shares: [8, { ofCapacity: 0.6 }]";
      yield issueAt(from, message, hint);
    }
  }
}

/**
 * `value`, at any depth, with a number for each share under a key or path that ends in `ratePerS`:
 * alone, in a list of swept values, or as `ratePerS.ofCapacity` with a number, a list or a range.
 * Shares that the schema refuses stay, for the parser to report. `found` gets all others.
 */
function withRates<T>(
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
function sharesIn(value: unknown, capacityPerS = 1): readonly ResolvedShare[] {
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

type UndigestedScenario = Omit<LoadedScenario, "digest">;
type Rated = Pick<LoadedScenario, "document" | "sectionFiles" | "positions">;

const STAND_IN_PER_S = 1;
const UNREACHED =
  "the times are not known, or the traffic equations do not reach (joins that end early, held chains that fork, many branches)";

/** Rates at a capacity of 1 per second, for checks only. */
export function withStandInRates<T extends Rated>(loaded: T): T {
  return withCapacity(loaded, STAND_IN_PER_S);
}

/**
 * `loaded` has passed all checks with stand-in rates, and keeps them while models are still to be
 * calibrated and no times are needed. Throws Fault("invalid-input") where the capacity cannot be known.
 */
export function resolveLoads(
  loaded: UndigestedScenario,
  options: CheckOptions,
): UndigestedScenario {
  const parts = partsOf(loaded);
  if (sharesIn(parts).length === 0) return loaded;
  const { file, profiles, traces, overheadProfile } = loaded;
  const { requireTimes = false, capacityOf } = options;
  const standIn = withStandInRates(loaded);
  const refuse = (issues: readonly Issue[]) => invalidInput(file, issues, standIn.positions);
  const assignment = smallestAssignment(standIn);
  const smallest = checkedAssignment({ ...standIn, digest: "" }, assignment, options);
  const isSound = smallest.issues.length === 0 && haveTimes(smallest.document, profiles);
  if (!requireTimes && !(isSound && capacityOf !== undefined)) return standIn;
  if (!isSound) throw refuse(smallest.issues);
  const files = { profiles, traces, ...(overheadProfile === undefined ? {} : { overheadProfile }) };
  const found = capacityOf?.(smallest.document, files) ?? null;
  if (found === null || !(found.perS > 0 && Number.isFinite(found.perS))) {
    const why = found === null ? UNREACHED : `${found.station} gives ${found.perS} per second`;
    const message = `\`ofCapacity\` needs a capacity: ${why}`;
    throw refuse([issueAt(pathOfShare(loaded), message, "give `ratePerS` in requests per second")]);
  }
  const resolved = withCapacity(loaded, found.perS);
  const issues = runChecks(resolved.document, new Set(), { ...options, file, files });
  if (issues.length > 0) throw refuse(issues);
  const capacity = {
    perS: Number(found.perS.toPrecision(6)),
    station: found.station,
    replicas: smallest.document.cluster.replicas,
    shares: sharesIn(parts, found.perS),
  };
  return { ...resolved, capacity };
}

/** The parts of a scenario that have rates. */
function partsOf({ document, sectionFiles }: Parts) {
  const { workload, sweep, validation } = document;
  return { workload, sweep, validation, sectionFiles };
}

function withCapacity<T extends Rated>(loaded: T, capacityPerS: number): T {
  const { sectionFiles, ...sections } = withRates(partsOf(loaded), capacityPerS);
  const given = Object.entries(sections).filter(([, section]) => section !== undefined);
  const document = { ...loaded.document, ...Object.fromEntries(given) };
  return { ...loaded, document, sectionFiles, positions: withRatePaths(loaded.positions) };
}

function pathOfShare({ document: { workload, sweep } }: Rated): string {
  if (sharesIn({ workload }).length > 0) return "workload.ratePerS";
  return sharesIn({ sweep }).length > 0 ? "sweep" : "validation.points";
}

/** Swept `ratePerS.ofCapacity` is found under the path that it is resolved to as well. */
function withRatePaths(positions: Positions): Positions {
  const more = new Map<string, Position>();
  for (const [at, position] of positions) {
    const path = at.replace(".ratePerS.ofCapacity", ".ratePerS");
    if (!positions.has(path)) more.set(path, position);
  }
  return more.size === 0 ? positions : new Map([...positions, ...more]);
}

type Parts = Pick<LoadedScenario, "document" | "sectionFiles">;
type Size = readonly [replicas: number, costPerHour: number];

/**
 * The smallest shape of a sweep: the fewest replicas, among equals the least cost per hour, among
 * equals the first in the order of the file. The axes of a grid are searched one by one, as the count and
 * the cost of a shape are sums over its tasks and nodes; a range is the smallest at its start.
 */
function smallestAssignment(loaded: Parts): Assignment {
  const axes = axesOf(loaded.document.sweep);
  const known = new Map<string, Size>();
  const sizeAt = (parts: readonly Assignment[]): Size => {
    const own = parts.flat().filter(({ path }) => sectionOf(path) === "cluster");
    const key = JSON.stringify(own.map(({ path, value }) => [path, value]));
    const size = known.get(key) ?? sizeOf(loaded, own);
    known.set(key, size);
    return size;
  };
  const chosen = axes.map((axis) => axis.at(0));
  for (const [i, axis] of axes.entries()) {
    for (const part of shownBy(axis)) {
      if (isSmaller(sizeAt(chosen.with(i, part)), sizeAt(chosen))) chosen[i] = part;
    }
  }
  return chosen.flat();
}

/** The size with `entries` of the cluster in place; a refused cluster is never the smallest. */
function sizeOf({ document, sectionFiles }: Parts, entries: Assignment): Size {
  const { value, issues } = makeVariant(document, "cluster", entries, sectionFiles);
  if (issues.length > 0) return [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  const { replicas, nodes = [] } = value as ClusterDocument;
  return [
    sumOf(Object.values(replicas)),
    sumOf(nodes.map(({ count, costPerHour }) => count * costPerHour)),
  ];
}

function isSmaller([replicas, cost]: Size, [others, otherCost]: Size): boolean {
  return replicas < others || (replicas === others && cost < otherCost);
}
