/**
 * Placement by simulation: which models are in the memory of which groups of devices, so that most
 * requests of a sample meet their goal. A group serves one request after the other; with several
 * stages, each on a device of its own, as many requests are in it as it has stages.
 *
 *   greedy or beam search: place one more model, estimate, keep the best, until none has room
 *
 * The estimator knows one time for each stage, no batches and no chance: models of large networks take
 * almost the same time for every input.
 *
 * Source: Li et al., AlpaServe, OSDI 2023, section 4.2, algorithms 1 and 2.
 */
import { leastBy } from "../../../engine/basics/iterables.ts";

/** Devices that serve a model together, each a stage of it. */
export interface Group {
  readonly roomMb: number;
  /** By model. Times of its stages, µs; null: the group cannot host it. */
  readonly stagesUs: readonly (readonly number[] | null)[];
  /** By model, on each of the group's devices. */
  readonly memoryMb: readonly number[];
}

/** A request of the sample. */
export interface Sampled {
  readonly atUs: number;
  readonly model: number;
  /** Infinity: it is served however long it takes. */
  readonly goalUs: number;
}

/** By group: its models, ascending. */
export type Placement = readonly (readonly number[])[];

/** A placement and what it would have served. */
export interface Estimate {
  readonly placement: Placement;
  readonly served: number;
  /** By model. */
  readonly unserved: readonly number[];
  /** Mean latency of those served; Infinity where none is. */
  readonly meanUs: number;
  /** By group: the time of its slowest stages, µs. */
  readonly busyUs: readonly number[];
}

/** A request goes to the group with the fewest, and is refused where it would end after its goal. */
export function estimate(
  groups: readonly Group[],
  placement: Placement,
  sample: readonly Sampled[],
): Estimate {
  const models = groups[0]?.stagesUs.length ?? 0;
  const hosts = Array.from({ length: models }, (_, model) =>
    placement.flatMap((own, group) => (own.includes(model) ? [group] : [])),
  );
  const freeUs = groups.map((): number[] => []);
  /** By group: ends of what is in it, ascending, and how many of these have passed. */
  const ends = groups.map((): number[] => []);
  const passed = groups.map(() => 0);
  const unserved = new Array<number>(models).fill(0);
  const busyUs = groups.map(() => 0);
  let served = 0;
  let sumUs = 0;
  for (const { atUs, model, goalUs } of sample) {
    let best = -1;
    let fewest = Number.POSITIVE_INFINITY;
    for (const group of hosts[model]) {
      const own = ends[group];
      while (passed[group] < own.length && own[passed[group]] <= atUs) passed[group]++;
      const inside = own.length - passed[group];
      if (inside < fewest) [best, fewest] = [group, inside];
    }
    const stages = best < 0 ? null : groups[best].stagesUs[model];
    const endsUs = stages === null ? [] : passage(atUs, stages, freeUs[best]);
    const endUs = endsUs.at(-1) ?? Number.POSITIVE_INFINITY;
    if (stages === null || endUs - atUs > goalUs) {
      unserved[model]++;
      continue;
    }
    freeUs[best] = endsUs;
    ends[best].push(endUs);
    busyUs[best] += Math.max(...stages);
    served++;
    sumUs += endUs - atUs;
  }
  const meanUs = served === 0 ? Number.POSITIVE_INFINITY : sumUs / served;
  return { placement, served, unserved, meanUs, busyUs };
}

/** When a request leaves each stage; a stage takes it once it has left the one before. */
export function passage(
  atUs: number,
  stages: readonly number[],
  freeUs: readonly number[],
): number[] {
  let leftUs = atUs;
  return stages.map((us, stage) => {
    leftUs = Math.max(leftUs, freeUs[stage] ?? 0) + us;
    return leftUs;
  });
}

/** Negative where `a` is better: more requests served, or as many with a lower mean latency. */
function compare(a: Estimate, b: Estimate): number {
  if (a.served !== b.served) return b.served - a.served;
  return a.meanUs === b.meanUs ? 0 : a.meanUs - b.meanUs;
}

export function hasRoom(group: Group, own: readonly number[], model: number): boolean {
  if (own.includes(model) || group.stagesUs[model] === null) return false;
  const taken = own.reduce((sum, one) => sum + group.memoryMb[one], 0);
  return taken + group.memoryMb[model] <= group.roomMb;
}

export function withModel(placement: Placement, group: number, model: number): Placement {
  return placement.map((own, i) => (i === group ? [...own, model].sort((a, b) => a - b) : own));
}

export const nothingOn = (groups: readonly Group[]): Placement => groups.map(() => []);

/**
 * Again and again, the model with the most unserved requests joins the least busy group with room. Room
 * that is left goes to models in the order of their requests, for requests unlike the sample's.
 */
export function greedyPlacement(groups: readonly Group[], sample: readonly Sampled[]): Placement {
  let placement = nothingOn(groups);
  for (;;) {
    const next = nextByNeed(groups, estimate(groups, placement, sample));
    if (next === null) break;
    placement = withModel(placement, next.group, next.model);
  }
  return filledUp(groups, placement, sample);
}

function nextByNeed(
  groups: readonly Group[],
  { placement, unserved, busyUs }: Estimate,
): { readonly group: number; readonly model: number } | null {
  const needy = [...unserved.keys()]
    .filter((model) => unserved[model] > 0)
    .sort((a, b) => unserved[b] - unserved[a] || a - b);
  for (const model of needy) {
    const open = groups.flatMap((group, i) => (hasRoom(group, placement[i], model) ? [i] : []));
    const group = leastBy(open, (i) => busyUs[i]);
    if (group !== undefined) return { group, model };
  }
  return null;
}

export function filledUp(
  groups: readonly Group[],
  placement: Placement,
  sample: readonly Sampled[],
): Placement {
  const wanted = groups[0]?.stagesUs.map(() => 0) ?? [];
  for (const { model } of sample) wanted[model]++;
  const models = [...wanted.keys()].sort((a, b) => wanted[b] - wanted[a] || a - b);
  let filled = placement;
  for (const model of models) {
    for (const [i, group] of groups.entries()) {
      if (hasRoom(group, filled[i], model)) filled = withModel(filled, i, model);
    }
  }
  return filled;
}

/**
 * From `start` and each of the `width` best placements, every model that still fits a group is tried there. Room that
 * is left is filled as by `greedyPlacement`, unless fewer were served then.
 */
export function beamPlacement(
  groups: readonly Group[],
  sample: readonly Sampled[],
  width = 3,
  start = nothingOn(groups),
): Placement {
  let best = estimate(groups, start, sample);
  let beam = [best];
  while (beam.length > 0) {
    const next = new Map<string, Estimate>();
    for (const { placement } of beam) {
      for (const [i, group] of groups.entries()) {
        for (const model of group.stagesUs.keys()) {
          if (!hasRoom(group, placement[i], model)) continue;
          const grown = withModel(placement, i, model);
          const key = grown.join(";");
          if (!next.has(key)) next.set(key, estimate(groups, grown, sample));
        }
      }
    }
    beam = [...next.values()].sort(compare).slice(0, width);
    if (beam.length > 0 && compare(beam[0], best) < 0) best = beam[0];
  }
  const full = filledUp(groups, best.placement, sample);
  return estimate(groups, full, sample).served < best.served ? best.placement : full;
}
