/**
 * Replicas onto devices. Without nodes in the scenario, one node has a slot for each replica.
 * With nodes, replicas spread: each goes to the node with the most free slots, the earlier on
 * equal terms, of those with memory and resources for its model. An explicit placement is taken as written, before
 * the rest is spread. Within one kind of device of one machine replicas take the slots in turn.
 */
import { grouped } from "../../engine/basics/iterables.ts";
import { meanOf, sumOf } from "../../engine/statistics/estimate.ts";
import type { OverheadProfile } from "../schema/profile.ts";
import type { ClusterDocument, ModelDocument, Parts, TaskDocument } from "../schema/scenario.ts";

type NodeDocument = NonNullable<ClusterDocument["nodes"]>[number];
type DeviceDocument = Exclude<NodeDocument["devices"][string], number>;

interface PlacedReplica {
  readonly task: string;
  readonly node: number;
  readonly device: string;
  readonly speed: number;
  /** Its place among the placement's `slots`. */
  readonly slot: number;
  /** Those of its pipeline's stages; null: it is no pipeline. */
  readonly stages: readonly number[] | null;
}

export interface PlacedNode extends Omit<NodeDocument, "count" | "devices"> {
  /** The node's name in the scenario; several placed nodes share it when `count` > 1. */
  readonly group: string;
  readonly devices: Readonly<Record<string, DeviceDocument>>;
}

/** One slot of one device: it hosts a replica. */
interface PlacedSlot {
  readonly node: number;
  readonly kind: string;
  /** Among the slots of its kind on its machine, from 1. */
  readonly number: number;
}

/** A pool of replicas: a task, or one variant of a task. */
export interface TaskToPlace {
  /** The task's own, or `task@model` of a variant. */
  readonly name: string;
  readonly task: string;
  readonly model: LoadedModel;
}

export interface Placement {
  readonly nodes: readonly PlacedNode[];
  readonly replicas: readonly PlacedReplica[];
  /** Slots that host a replica. */
  readonly slots: readonly PlacedSlot[];
}

/** The replicas on one kind of node; under scaling, as many as there may be. */
export interface NodePlacement {
  /** Machines that host a replica: each is billed whole, while any of its replicas is up or starting. */
  readonly machinesUsed: number;
  /** All machines of the kind. */
  readonly machines: number;
  /** Cost of the machines without a replica, which is not billed. */
  readonly idleCostPerHour: number;
  /** Counts by task. */
  readonly replicas: Readonly<Record<string, number>>;
}

/** By kind of node. */
export type PlacementByKind = Readonly<Record<string, NodePlacement>>;

/** The slots of one kind of device on one machine. */
interface Bank {
  readonly node: number;
  readonly group: string;
  readonly kind: string;
  readonly device: DeviceDocument;
  free: number;
  /** By slot that hosts a replica: its place among the placement's `slots`. */
  readonly taken: number[];
  /** The models on each of those slots. */
  readonly models: LoadedModel[][];
  /** Whether its slots serve pipelines: nothing else is spread onto them. */
  hasStages: boolean;
}

/** The models that can do a task, in their order, each with the name of its pool. */
export function variantsOf(
  name: string,
  { model = "", variants }: Pick<TaskDocument, "model" | "variants">,
): readonly { readonly pool: string; readonly model: string }[] {
  if (variants === undefined) return [{ pool: name, model }];
  return variants.map((variant) => ({ pool: `${name}@${variant}`, model: variant }));
}

/** The pools of a pipeline's tasks. */
export function poolsOf(
  tasks: Readonly<Record<string, TaskDocument>>,
): readonly { readonly pool: string; readonly task: string; readonly model: string }[] {
  return Object.entries(tasks).flatMap(([task, entry]) =>
    variantsOf(task, entry).map((variant) => ({ ...variant, task })),
  );
}

/** All pools in order of first mention. */
export function tasksToPlace({
  pipelines,
  models,
}: Parts<"pipelines" | "models">): readonly TaskToPlace[] {
  const pools = grouped(
    Object.values(pipelines).flatMap(({ tasks }) => poolsOf(tasks)),
    ({ pool }) => pool,
  );
  return [...pools].map(([name, [{ task, model }]]) => {
    const { memoryMb = 0, residency = "on-demand", demand } = models[model] ?? {};
    return { name, task, model: { name: model, memoryMb, residency, demand } };
  });
}

/**
 * Tasks take their slots in the order of `tasks`. If a large model then finds no room, the largest goes first:
 * without shared slots that finds room for all if there is any.
 */
export function placeReplicas(cluster: ClusterDocument, tasks: readonly TaskToPlace[]): Placement {
  const inOrder = placed(cluster, tasks);
  if (inOrder.misfits === 0) return inOrder.placement;
  const bySize = tasks.toSorted((a, b) => b.model.memoryMb - a.model.memoryMb);
  const largestFirst = placed(cluster, bySize);
  return (largestFirst.misfits === 0 ? largestFirst : inOrder).placement;
}

/** The placement of a scenario with nodes, by kind of node. */
export function placementByNode(document: Parts<"cluster" | "pipelines" | "models">): {
  readonly placement?: PlacementByKind;
} {
  const { cluster } = document;
  if (cluster.nodes === undefined) return {};
  const { nodes, replicas } = placeReplicas(cluster, tasksToPlace(document));
  const kinds = cluster.nodes.map(({ name, count, costPerHour }) => {
    const own = replicas.filter(({ node }) => nodes[node].group === name);
    const machinesUsed = new Set(own.map(({ node }) => node)).size;
    const byTask = [...grouped(own, ({ task }) => task)].map(([task, all]) => [task, all.length]);
    const idleCostPerHour = (count - machinesUsed) * costPerHour;
    const counts = Object.fromEntries(byTask);
    return [name, { machinesUsed, machines: count, idleCostPerHour, replicas: counts }];
  });
  return { placement: Object.fromEntries(kinds) };
}

function placed(
  cluster: ClusterDocument,
  tasks: readonly TaskToPlace[],
): { readonly placement: Placement; readonly misfits: number } {
  const { nodes, banks } = expandNodes(cluster, tasks);
  const replicas: PlacedReplica[] = [];
  const slots: PlacedSlot[] = [];
  let misfits = 0;
  const put = (count: number, { name: task, model }: TaskToPlace, among: readonly Bank[]): void => {
    for (let i = 0; i < count; i++) {
      const isFit = (bank: Bank) =>
        hasRoom(bank, model) && canHold(nodes[bank.node].resources, model.demand);
      const fitting = freest(among, isFit);
      if (fitting === undefined) misfits++;
      const found = fitting ?? freest(among, () => true);
      if (found === undefined) continue;
      const { node, kind, device } = found;
      const turn = device.slots - found.free--;
      const slot = takeSlot(found, turn % device.slots, model);
      replicas.push({ task, node, device: kind, speed: device.speed, slot, stages: null });
    }
  };
  const takeSlot = ({ node, kind, taken, models }: Bank, at: number, model: LoadedModel) => {
    if (taken[at] === undefined) {
      taken[at] = slots.length;
      models[at] = [];
      slots.push({ node, kind, number: at + 1 });
    }
    models[at].push(model);
    return taken[at];
  };
  /** Each of the slots has its part of the model. */
  const putStages = (
    count: number,
    { name: task, model }: TaskToPlace,
    bank: Bank,
    at: readonly number[],
  ) => {
    const { node, kind, device } = bank;
    bank.hasStages = true;
    const memoryMb = model.memoryMb / at.length;
    const part: LoadedModel = { ...model, memoryMb, residency: "always" };
    const stages = at.map((number) => takeSlot(bank, number - 1, part));
    const [slot] = stages;
    for (let i = 0; i < count; i++) {
      replicas.push({ task, node, device: kind, speed: device.speed, slot, stages });
    }
  };
  const left = new Map(tasks.map((task) => [task, cluster.replicas[task.name] ?? 0]));
  for (const [task, wanted] of left) {
    let rest = wanted;
    for (const entry of cluster.placement ?? []) {
      if (entry.task !== task.name) continue;
      const among = banks.filter(
        (bank) =>
          (bank.group === entry.node || nodes[bank.node].name === entry.node) &&
          (entry.device === undefined || bank.kind === entry.device),
      );
      const count = Math.min(entry.replicas, rest);
      rest -= count;
      if (entry.slots === undefined) put(count, task, among);
      else if (among.length > 0) putStages(count, task, among[0], entry.slots);
    }
    left.set(task, rest);
  }
  const open = banks.filter(({ hasStages }) => !hasStages);
  for (const [task, rest] of left) put(rest, task, open);
  return { placement: { nodes, replicas, slots }, misfits };
}

/** Whether the next slot has memory for one more model. */
function hasRoom({ device, free, models }: Bank, model: LoadedModel): boolean {
  const { memoryMb, slots } = device;
  if (memoryMb === undefined) return true;
  const turn = slots - free;
  const there = models[turn % slots] ?? [];
  return memoryNeed([...there, model]).totalMb <= memoryMb;
}

/** Whether a machine could run a batch of that demand if it ran nothing else. */
export function canHold(
  resources: NodeDocument["resources"],
  demand: ModelDocument["demand"] = {},
): boolean {
  if (resources === undefined) return true;
  return Object.entries(demand).every(
    ([name, amount]) => Object.hasOwn(resources, name) && amount <= resources[name],
  );
}

/** Whether a device may host more replicas than it has slots. */
export function isShared(device: NodeDocument["devices"][string]): boolean {
  return typeof device !== "number" && (device.shared || device.sharing !== undefined);
}

function expandNodes(
  cluster: ClusterDocument,
  tasks: readonly TaskToPlace[],
): { nodes: PlacedNode[]; banks: Bank[] } {
  const total = sumOf(tasks.map(({ name }) => cluster.replicas[name] ?? 0));
  const groups: readonly NodeDocument[] = cluster.nodes ?? [
    { name: "node", count: 1, devices: { slot: Math.max(1, total) }, costPerHour: 0 },
  ];
  const nodes: PlacedNode[] = [];
  const banks: Bank[] = [];
  for (const group of groups) {
    const devices = Object.fromEntries(
      Object.entries(group.devices).map(([kind, device]) => [
        kind,
        typeof device === "number" ? { slots: device, shared: false, speed: 1 } : device,
      ]),
    );
    const { count, ...node } = group;
    for (let i = 0; i < count; i++) {
      const name = count === 1 ? group.name : `${group.name}-${i + 1}`;
      for (const [kind, device] of Object.entries(devices)) {
        const empty = { free: device.slots, taken: [], models: [], hasStages: false };
        banks.push({ node: nodes.length, group: group.name, kind, device, ...empty });
      }
      nodes.push({ ...node, name, group: group.name, devices });
    }
  }
  return { nodes, banks };
}

function freest(among: readonly Bank[], isFit: (bank: Bank) => boolean): Bank | undefined {
  let best: Bank | undefined;
  for (const bank of among) {
    if (bank.free <= 0 && !isShared(bank.device)) continue;
    if ((best === undefined || bank.free > best.free) && isFit(bank)) best = bank;
  }
  return best;
}

export type LoadedModel = Pick<ModelDocument, "memoryMb" | "residency" | "demand"> & {
  readonly name: string;
};

/** Memory that the models of one device slot need. */
interface MemoryNeed {
  /** The models that are always loaded. */
  readonly alwaysMb: number;
  /** The largest of the others: one at a time may be enough. */
  readonly largest: LoadedModel | null;
  readonly totalMb: number;
}

/** Replicas of one model share it. */
export function memoryNeed(models: Iterable<LoadedModel>): MemoryNeed {
  const distinct = new Map([...models].map((model) => [model.name, model]));
  let alwaysMb = 0;
  let largest: LoadedModel | null = null;
  for (const model of distinct.values()) {
    if (model.residency === "always") alwaysMb += model.memoryMb;
    else if (largest === null || model.memoryMb > largest.memoryMb) largest = model;
  }
  return { alwaysMb, largest, totalMb: alwaysMb + (largest?.memoryMb ?? 0) };
}

/** Mean round trip of a node's link beyond that of the nearest machine, µs; 0 for a node that was not measured. */
export function excessUs(links: OverheadProfile["links"] = {}, node: string): number {
  const meanUs = ({ rttUs }: (typeof links)[string]): number => meanOf(rttUs);
  const own = links[node];
  if (own === undefined) return 0;
  return meanUs(own) - Math.min(...Object.values(links).map(meanUs));
}
