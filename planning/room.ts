/**
 * What machines have memory for, a replica a slot. A slot that is large enough for one model is so for
 * all smaller ones; so replicas fit if, above each size, there are as many slots as replicas, and what
 * fits can be added to until as many replicas have a slot as can have one at all.
 */
import { sum } from "./allocations.ts";
import type { Machines } from "./machines.ts";

export interface Room {
  /** Most replicas of each task. */
  readonly high: readonly number[];
  /** Most replicas together. */
  readonly total: number;
}

/** `sizesMb` are those of the tasks' models; `high` is how many replicas each may have. */
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

type Group = NonNullable<Machines["nodes"]>[number];

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
    return { ...group, devices: Object.fromEntries(devices) };
  });
}
