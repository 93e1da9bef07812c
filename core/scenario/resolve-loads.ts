/**
 * Arrival rates as shares of capacity (`ratePerS: { ofCapacity: 0.6 }`) to requests per second. One
 * capacity serves a whole scenario, that of the smallest shape of its sweep, so that all
 * configurations of one load see the same arrivals.
 */
import type { Issue } from "../fault.ts";
import { sharesIn, withRates } from "./capacity-shares.ts";
import { haveTimes } from "./check-models.ts";
import { type CheckOptions, runChecks } from "./checks.ts";
import { invalidInput } from "./draft.ts";
import type { LoadedScenario } from "./parse.ts";
import { issueAt, type Position, type Positions } from "./positions.ts";
import { smallestAssignment } from "./smallest-shape.ts";
import { checkedAssignment } from "./sweep.ts";

export type UndigestedScenario = Omit<LoadedScenario, "digest">;
type Rated = Pick<LoadedScenario, "document" | "sectionFiles" | "positions">;

const STAND_IN_PER_S = 1;
const DIGITS = 6;
const UNREACHED =
  "the times are not known, or the traffic equations do not reach (joins that end early, held chains that fork, many branches)";

/** With rates at a capacity of 1 per second: sound enough to be checked, not to be run. */
export function withStandInRates<T extends Rated>(loaded: T): T {
  return withCapacity(loaded, STAND_IN_PER_S);
}

/**
 * `loaded` has passed all checks with stand-in rates, and keeps them while models are still to be
 * calibrated and nobody needs times. Throws Fault("invalid-input") where the capacity cannot be known.
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
    perS: Number(found.perS.toPrecision(DIGITS)),
    station: found.station,
    replicas: smallest.document.cluster.replicas,
    shares: sharesIn(parts, found.perS),
  };
  return { ...resolved, capacity };
}

/** The parts of a scenario that have rates. */
function partsOf({ document, sectionFiles }: Pick<LoadedScenario, "document" | "sectionFiles">) {
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
