/** The machines that a plan may choose from, cheapest first. */
import { Fault } from "../core/fault.ts";
import type { ClusterDocument } from "../core/scenario/schema.ts";
import { sum } from "./allocations.ts";

type Group = NonNullable<ClusterDocument["nodes"]>[number];

export type CostUnit = "replicas" | "machines" | "per hour";

export interface Machines {
  readonly cost: number;
  /** Replicas that they have room for. */
  readonly slots: number;
  /** Machines of each kind; empty where the scenario has no nodes. */
  readonly counts: Readonly<Record<string, number>>;
  readonly nodes: Group[] | undefined;
  /** Indices of their kinds in the market. */
  readonly kinds: readonly number[];
}

interface Market {
  readonly unit: CostUnit;
  /** By ascending cost; of equal ones, the one with fewer machines first. */
  readonly choices: readonly Machines[];
  /** By kind of machine: the nodes of one kind alone, with room for all that may be wanted. */
  readonly alone: readonly (Group[] | undefined)[];
}

const MOST_CHOICES = 100_000;

/**
 * With nodes, every choice of 0 to `count` machines of each kind, at their price per hour, or at 1
 * a machine where none has a price. Without, so many replicas as are wanted up to `mostReplicas`,
 * at 1 each. Throws Fault("limit-exceeded") for more choices than can be listed.
 */
export function marketOf({ nodes }: ClusterDocument, mostReplicas: number): Market {
  if (nodes === undefined) {
    const choices = Array.from({ length: mostReplicas }, (_, i) => {
      return { cost: i + 1, slots: i + 1, counts: {}, nodes: undefined, kinds: [0] };
    });
    return { unit: "replicas", choices, alone: [undefined] };
  }
  const size = nodes.reduce((product, { count }) => product * (count + 1), 1);
  if (size > MOST_CHOICES) {
    const message = `${size.toLocaleString("en-US")} choices of machines are too many to plan with`;
    throw new Fault("limit-exceeded", message, { hint: "lower the `count` of some nodes" });
  }
  const priced = nodes.some(({ costPerHour }) => costPerHour > 0);
  const choices: Machines[] = [];
  const counts = nodes.map(() => 0);
  for (let i = 1; i < size; i++) {
    for (let kind = 0; ++counts[kind] > nodes[kind].count; kind++) counts[kind] = 0;
    choices.push(machines(nodes, counts, priced));
  }
  const many = ({ counts: of }: Machines): number => sum(Object.values(of));
  choices.sort((a, b) => a.cost - b.cost || many(a) - many(b));
  const alone = nodes.map((group) => [
    { ...group, count: Math.ceil(mostReplicas / Math.max(1, slotsOf(group))) },
  ]);
  return { unit: priced ? "per hour" : "machines", choices, alone };
}

function machines(groups: readonly Group[], counts: readonly number[], priced: boolean): Machines {
  const costs = groups.map(({ costPerHour }, kind) => counts[kind] * (priced ? costPerHour : 1));
  const slots = groups.map((group, kind) => counts[kind] * slotsOf(group));
  return {
    cost: sum(costs),
    slots: sum(slots),
    counts: Object.fromEntries(groups.map(({ name }, kind) => [name, counts[kind]])),
    nodes: groups.flatMap((group, kind) =>
      counts[kind] === 0 ? [] : [{ ...group, count: counts[kind] }],
    ),
    kinds: groups.flatMap((_, kind) => (counts[kind] === 0 ? [] : [kind])),
  };
}

/** A shared slot could host more than one replica; a plan counts on one. */
function slotsOf({ devices }: Group): number {
  return sum(
    Object.values(devices).map((device) => (typeof device === "number" ? device : device.slots)),
  );
}

export interface Room {
  /** Most replicas of each task. */
  readonly high: readonly number[];
  /** Most replicas together. */
  readonly total: number;
}

/**
 * The replicas that machines have memory for, one a slot. A slot that is large enough for one model
 * is so for all smaller ones. So replicas fit if, above each size, there are at least as many slots
 * as replicas. `sizesMb` are those of the tasks' models; `high` is the most replicas of each.
 */
export function roomOn(
  { nodes, slots }: Machines,
  sizesMb: readonly number[],
  high: readonly number[],
): Room {
  const banks = nodes?.flatMap(banksOf) ?? [{ slots, memoryMb: Number.POSITIVE_INFINITY }];
  const slotsFor = (sizeMb: number): number =>
    sum(banks.flatMap((bank) => (bank.memoryMb >= sizeMb ? bank.slots : [])));
  const most = high.map((replicas, task) => Math.min(replicas, slotsFor(sizesMb[task])));
  const largestFirst = [...high.keys()].sort((a, b) => sizesMb[b] - sizesMb[a]);
  let total = 0;
  for (const task of largestFirst) total = Math.min(total + most[task], slotsFor(sizesMb[task]));
  return { high: most, total };
}

function banksOf({ devices, count }: Group) {
  return Object.values(devices).map((device) => {
    const { slots, memoryMb = Number.POSITIVE_INFINITY } =
      typeof device === "number" ? { slots: device } : device;
    return { slots: slots * count, memoryMb };
  });
}

/** The same machines with memory without end. */
export function withoutLimits(nodes: Machines["nodes"]): Machines["nodes"] {
  return nodes?.map((group) => {
    const devices = Object.entries(group.devices).map(([kind, device]) => {
      if (typeof device === "number") return [kind, device];
      const { memoryMb: _, ...rest } = device;
      return [kind, rest];
    });
    return { ...group, devices: Object.fromEntries(devices), resources: undefined };
  });
}
