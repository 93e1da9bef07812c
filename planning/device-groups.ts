/**
 * AlpaServe's placement: which devices form groups, and which models each group serves as a pipeline, so that most
 * requests are in time.
 *
 *   partitions of the machines' devices ─beam search─> models of each group ─simulate─> the best
 *
 * The beam search is guided by a simple simulator of one time for each stage (`placement.ts`); the partitions that
 * it fills are compared by the real one, on the same requests. Groups have powers of two of devices, up to 8, of one
 * machine; all machines of a node are divided alike.
 *
 * Source: Li et al., AlpaServe, OSDI 2023, section 4.2, algorithm 2. Left out: operator parallelism (a profile may
 * hold its times), and buckets of models by latency, as partitions here may mix group sizes. Ours: copies in memory that
 * the search leaves, kept where the real simulator has more in time with them.
 */

import { Fault } from "../engine/basics/fault.ts";
import { leastBy } from "../engine/basics/iterables.ts";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { meanOf, sumOf } from "../engine/statistics/estimate.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { tasksToPlace } from "../scenario/compile/placement.ts";
import type { ClusterDocument, ScenarioDocument } from "../scenario/schema/scenario.ts";
import { goalSharesUs } from "../schedulers/rules/ways.ts";
import {
  beamPlacement,
  filledUp,
  type Group,
  hasRoom,
  nothingOn,
  type Placement,
  type Sampled,
  withModel,
} from "../schedulers/systems/alpaserve/placement.ts";
import { replicationSteps, type SimulationInputs } from "../sim/replication.ts";

export interface GroupSearch {
  /** Placements that the beam keeps. */
  readonly beam: number;
  /** Devices of a group, at most. */
  readonly largest: number;
  /** Requests of the sample that guides the beam. */
  readonly sample: number;
  /** Simulated for each partition that serves all tasks. */
  readonly replications: number;
}

export const USUAL_SEARCH: GroupSearch = { beam: 3, largest: 8, sample: 2000, replications: 3 };

/** A partition of the devices with its models, as simulated. */
export interface Tried {
  /** By node and kind of device: the sizes of the groups on each machine, the largest first. */
  readonly sizes: Readonly<Record<string, readonly number[]>>;
  /** With the scheduler `alpaserve`, and a placement for every task. */
  readonly document: ScenarioDocument;
  readonly sloAttainmentRatio: number;
  readonly latencyMeanMs: number;
}

/** All that were tried, the best first: most requests in time, then the least mean latency. */
export function* searchGroups(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  search: GroupSearch = USUAL_SEARCH,
): Generator<undefined, readonly Tried[]> {
  const banks = banksOf(document);
  const sample = yield* sampleOf(document, inputs, search.sample);
  const tried: Tried[] = [];
  for (const sizes of partitions(banks, search.largest)) {
    const groups = groupsOf(document, inputs, banks, sizes);
    const own: Tried[] = [];
    for (const placed of placedDocuments(document, groups, sample, search.beam)) {
      const runs: { attained: number; meanMs: number }[] = [];
      for (let i = 0; i < search.replications; i++) {
        const { metrics } = (yield* replicationSteps(placed, inputs, i)).summary;
        const attained = metrics.sloAttainmentRatio ?? 1 - (metrics.dropRatio ?? 0);
        runs.push({ attained, meanMs: metrics.latencyMeanMs ?? Number.POSITIVE_INFINITY });
        yield;
      }
      own.push({
        sizes: Object.fromEntries(banks.map(({ name }, i) => [name, sizes[i]])),
        document: placed,
        sloAttainmentRatio: meanOf(runs.map(({ attained }) => attained)),
        latencyMeanMs: meanOf(runs.map(({ meanMs }) => meanMs)),
      });
    }
    tried.push(...own.sort(compare).slice(0, 1));
  }
  if (tried.length === 0) {
    const message = "no groups of these devices have the memory for every task's model";
    throw new Fault("invalid-input", message, { hint: "add devices, or memory to them" });
  }
  return tried.sort(compare);
}

const compare = (a: Tried, b: Tried): number =>
  b.sloAttainmentRatio - a.sloAttainmentRatio || a.latencyMeanMs - b.latencyMeanMs;

/** The devices of one kind of a node. */
interface Bank {
  readonly name: string;
  readonly node: string;
  readonly machines: readonly string[];
  readonly device: string;
  readonly slots: number;
  readonly memoryMb: number;
}

function banksOf({ cluster }: ScenarioDocument): readonly Bank[] {
  const banks = (cluster.nodes ?? []).flatMap(({ name, count, devices }) =>
    Object.entries(devices).map(([device, entry]): Bank => {
      const { slots, memoryMb = Number.POSITIVE_INFINITY } =
        typeof entry === "number" ? { slots: entry } : entry;
      const machines =
        count === 1 ? [name] : Array.from({ length: count }, (_, i) => `${name}-${i + 1}`);
      return { name: `${name}/${device}`, node: name, machines, device, slots, memoryMb };
    }),
  );
  if (banks.length > 0) return banks;
  throw new Fault(
    "invalid-input",
    "groups are of devices, and the scenario has no `cluster.nodes`",
    {
      hint: "cluster.nodes: [{ name: host, devices: { gpu: 4 } }]",
    },
  );
}

/** Every combination of the banks' own partitions. */
function* partitions(
  banks: readonly Bank[],
  largest: number,
  at = 0,
): Generator<readonly (readonly number[])[]> {
  if (at === banks.length) {
    yield [];
    return;
  }
  for (const own of powersOfTwo(banks[at].slots, largest)) {
    for (const rest of partitions(banks, largest, at + 1)) yield [own, ...rest];
  }
}

/** The ways to write a number as a sum of powers of two, the largest first. */
export function* powersOfTwo(total: number, largest: number): Generator<readonly number[]> {
  if (total === 0) {
    yield [];
    return;
  }
  const most = Math.min(total, largest);
  for (let size = 2 ** Math.floor(Math.log2(most)); size >= 1; size /= 2) {
    for (const rest of powersOfTwo(total - size, size)) yield [size, ...rest];
  }
}

/** A group on one machine. */
interface Place {
  readonly group: Group;
  readonly node: string;
  readonly device: string;
  readonly slots: readonly number[];
}

function groupsOf(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  banks: readonly Bank[],
  sizes: readonly (readonly number[])[],
): readonly Place[] {
  const tasks = tasksToPlace(document);
  return banks.flatMap(({ machines, device, memoryMb: roomMb }, bank) =>
    machines.flatMap((node) => {
      let first = 1;
      return sizes[bank].map((size): Place => {
        const slots = Array.from({ length: size }, (_, i) => first + i);
        first += size;
        const group = {
          roomMb,
          memoryMb: tasks.map(({ model }) => model.memoryMb / size),
          stagesUs: stagesUs(document, inputs, { node, device, slots }),
        };
        return { group, node, device, slots };
      });
    }),
  );
}

/** By task: the expected time of each stage on these slots. */
function stagesUs(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  at: Omit<Place, "group">,
): readonly (readonly number[])[] {
  const { slots } = at;
  const entries = tasksToPlace(document).map(({ name }) => entryOf(name, at));
  const { pools, replicas } = compileSystem(withPlacement(document, entries), inputs);
  return pools.map(({ first }) => {
    const stageUs = replicas[first].service.meanUs[1] / slots.length;
    return slots.map(() => stageUs);
  });
}

type Entry = NonNullable<ClusterDocument["placement"]>[number];

/** As many batches under way as there are stages. */
function entryOf(task: string, { node, device, slots }: Omit<Place, "group">): Entry {
  return { task, node, device, replicas: slots.length, slots: [...slots] };
}

/**
 * With the models that the beam finds, and with copies in all memory that it leaves: its simulator, of one time for each
 * stage and no batches, finds copies useless that are not. Where the beam leaves a model out, it starts from all of them.
 * None: no room for all.
 */
function placedDocuments(
  document: ScenarioDocument,
  places: readonly Place[],
  sample: readonly Sampled[],
  beam: number,
): readonly ScenarioDocument[] {
  const groups = places.map(({ group }) => group);
  const starts = [nothingOn(groups), coveringPlacement(groups) ?? []];
  for (const start of starts.filter((one) => one.length > 0)) {
    const found = beamPlacement(groups, sample, beam, start);
    const own = documentWith(document, places, found);
    if (own === null) continue;
    const full = filledUp(groups, found, sample);
    if (full.flat().length === found.flat().length) return [own];
    const filled = documentWith(document, places, full);
    return filled === null ? [own] : [own, filled];
  }
  return [];
}

/** Every model once, the largest first, each in the group with most room; null where some has no room. */
function coveringPlacement(groups: readonly Group[]): Placement | null {
  const sizeOf = (model: number): number =>
    Math.max(...groups.map(({ memoryMb }) => memoryMb[model]));
  const models = [...(groups[0]?.stagesUs.keys() ?? [])].sort((a, b) => sizeOf(b) - sizeOf(a));
  let placement: Placement | null = nothingOn(groups);
  for (const model of models) {
    const open = [...groups.keys()].filter((i) => hasRoom(groups[i], placement?.[i] ?? [], model));
    const left = (i: number): number =>
      (placement?.[i] ?? []).reduce(
        (room, one) => room - groups[i].memoryMb[one],
        groups[i].roomMb,
      );
    const most = leastBy(open, (i) => -left(i));
    if (most === undefined) return null;
    placement = withModel(placement, most, model);
  }
  return placement;
}

/** Null where some task has no group. */
function documentWith(
  document: ScenarioDocument,
  groups: readonly Place[],
  placement: Placement,
): ScenarioDocument | null {
  const tasks = tasksToPlace(document);
  const entries = placement.flatMap((models, group) =>
    models.map((model) => entryOf(tasks[model].name, groups[group])),
  );
  const isPlaced = tasks.every(({ name }) => entries.some(({ task }) => task === name));
  return isPlaced ? { ...withPlacement(document, entries), scheduler: "alpaserve" } : null;
}

function withPlacement(document: ScenarioDocument, placement: Entry[]): ScenarioDocument {
  const { cluster } = document;
  const nodes = cluster.nodes?.map((node) => ({
    ...node,
    devices: Object.fromEntries(
      Object.entries(node.devices).map(([kind, device]) => {
        const { sharing: _, ...own } =
          typeof device === "number" ? { slots: device, speed: 1, sharing: undefined } : device;
        return [kind, { ...own, shared: true }];
      }),
    ),
  }));
  const counts = tasksToPlace(document).map(({ name }): [string, number] => [
    name,
    sumOf(placement.filter(({ task }) => task === name).map(({ replicas }) => replicas)),
  ]);
  return {
    ...document,
    cluster: { ...cluster, nodes, replicas: Object.fromEntries(counts), placement },
  };
}

/** The first arrivals of the scenario's load, each at all tasks of its pipeline at once. */
function* sampleOf(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  most: number,
): Generator<undefined, readonly Sampled[]> {
  const system = compileSystem(document, inputs);
  const goalsUs = goalSharesUs(system);
  const log = new RunLog();
  yield* replicationSteps({ ...document, scheduler: "fifo" }, inputs, 0, { log });
  const sample: Sampled[] = [];
  for (const [kind, , pipeline, atUs] of log.entries) {
    if (kind !== "arrive") continue;
    for (const { pool } of system.pipelines[pipeline].tasks) {
      sample.push({ atUs, model: pool, goalUs: goalsUs[pool] });
    }
    if (sample.length >= most) break;
  }
  return sample;
}
