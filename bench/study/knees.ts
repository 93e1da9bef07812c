/**
 * The knee of an arm: the largest share of the devices' capacity at which 90% of all requests are in time. Runs go up to
 * the first load with fewer, as no higher one has a say in it.
 */
import type { ConfigurationResult } from "../../results/documents.ts";
import type { Sections } from "./claim.ts";
import type { Play } from "./play.ts";

/** All requests count: dropped and refused ones are not in time. */
export const IN_TIME = 0.9;

/** Points of a sweep with the arms that they belong to: by arm, by load, by window. */
export interface Runs<Of> {
  readonly of: readonly Of[];
  /** Shares of the capacity, the smallest first. */
  readonly loads: readonly number[];
  readonly windows: readonly number[];
  readonly document: Sections;
}

/** Undefined where a lower load of the arm has too few in time in that window. */
export type Played = readonly (ConfigurationResult | undefined)[];

interface Knee {
  /** Requests in time per s at the knee, as a share of the capacity; 0 where no load has enough in time. */
  readonly goodput: number;
  /** Dollars per hour of devices, by that share. */
  readonly cost: number | null;
}

const inTimeOf = (result: ConfigurationResult | undefined): number =>
  result?.metrics.sloAttainmentRatio?.mean ?? 0;

/** Plays the runs load by load, each in a folder of its own, and leaves out those that decide no knee. */
export async function playToKnees(
  folder: string,
  { loads, windows, document }: Runs<unknown>,
  play: Play,
): Promise<Played> {
  const { points } = document.sweep as { readonly points: readonly Sections[] };
  const found: (ConfigurationResult | undefined)[] = points.map(() => undefined);
  for (const load of loads.keys()) {
    const due = [...points.keys()].filter(
      (i) =>
        Math.floor(i / windows.length) % loads.length === load &&
        (load === 0 || inTimeOf(found[i - windows.length]) >= IN_TIME),
    );
    if (due.length === 0) break;
    const sweep = { points: due.map((i) => points[i]) };
    const played = await play(`${folder}-load-${load + 1}`, { ...document, sweep });
    for (const [k, i] of due.entries()) found[i] = played[k];
  }
  return found;
}

/** The knee of the i-th arm in each window. */
export function kneesOf(
  { loads, windows }: Pick<Runs<unknown>, "loads" | "windows">,
  played: Played,
  i: number,
): readonly Knee[] {
  return windows.map((_, w) => {
    const own = loads.map((_, load) => played[(i * loads.length + load) * windows.length + w]);
    const costs = own.map((one) => one?.metrics.costPerHour?.mean ?? 0);
    return kneeOf(loads, own.map(inTimeOf), costs);
  });
}

/** Between the last load with enough in time and the first without, on a straight line. */
export function kneeOf(
  loads: readonly number[],
  inTime: readonly number[],
  costs: readonly number[],
): Knee {
  const first = inTime.findIndex((share) => share < IN_TIME);
  if (first === 0) return { goodput: 0, cost: null };
  const last = (first < 0 ? loads.length : first) - 1;
  const kept = loads[last] * inTime[last];
  if (first < 0) return { goodput: kept, cost: costs[last] / kept };
  const part = (inTime[last] - IN_TIME) / (inTime[last] - inTime[first]);
  const knee = loads[last] + part * (loads[first] - loads[last]);
  const goodput = Math.max(kept, knee * IN_TIME);
  return { goodput, cost: (costs[last] + part * (costs[first] - costs[last])) / goodput };
}
