/**
 * The clusters that a plan may choose from: machines of each node, and replicas of each task on each
 * kind of device. Devices that serve every task alike are one kind, so shapes differ only in numbers.
 */

import { sumOf } from "../engine/statistics/estimate.ts";
import { canHold, tasksToPlace } from "../scenario/compile/placement.ts";
import type { ClusterDocument, ScenarioDocument } from "../scenario/schema/scenario.ts";
import { cheapestCover, type Need, slotsOf } from "./cover.ts";

type NodeDocument = NonNullable<ClusterDocument["nodes"]>[number];
type Group = Omit<NodeDocument, "power">;

export type CostUnit = "replicas" | "machines" | "per hour";

/** Fewest and most replicas of each task; `isCut`: whether the most is none of the scenario's. */
export interface Bounds extends Readonly<Record<"low" | "high", readonly number[]>> {
  readonly isCut?: readonly boolean[];
}

/** Replicas of one task by kind of device. */
export type Row = readonly number[];

export interface Shape {
  readonly cost: number;
  /** By node of the scenario; without nodes, one number: the replicas. */
  readonly machines: readonly number[];
  /** By task. */
  readonly rows: readonly Row[];
}

/** Slots of one kind of device on one kind of machine. */
interface Bank {
  readonly node: number;
  readonly device: string;
  readonly kind: number;
  readonly slots: number;
  readonly memoryMb: number;
}

/**
 * - `apart`: a replica has a slot of its own
 * - `everywhere`: each shared slot hosts a replica of every task, for schedulers that place models by themselves
 */
export type Hosting = "apart" | "everywhere";

/** Tasks whose replicas need slots of one kind, of a size or larger. */
export interface Room {
  readonly kind: number;
  readonly tasks: readonly number[];
  /** Such slots of a machine, by node. */
  readonly slots: readonly number[];
}

export class Space {
  readonly unit: CostUnit;
  readonly tasks: readonly string[];
  readonly bounds: Bounds;
  readonly kinds: number;
  /** A node and a device of each kind. */
  readonly examples: readonly { readonly node: number; readonly device: string }[];
  /** By task and kind: whether its model has times for such a device, its machines the demand, and some the memory. */
  readonly runsOn: readonly (readonly boolean[])[];
  readonly #document: ScenarioDocument;
  readonly hosting: Hosting;
  readonly room: readonly Room[];
  readonly #banks: readonly Bank[];
  readonly #sizesMb: readonly number[];
  readonly #groups: readonly Group[];
  /** Price of one machine, by node. */
  readonly prices: readonly number[];

  constructor(document: ScenarioDocument, bounds: Bounds, hosting: Hosting = "apart") {
    const { models, cluster } = document;
    const { nodes } = cluster;
    const tasks = tasksToPlace(document);
    const priced = (nodes ?? []).some(({ costPerHour }) => costPerHour > 0);
    const most = sumOf(bounds.high);
    const groups: readonly Group[] = nodes ?? [
      { name: "", count: most, devices: { "": 1 }, costPerHour: 1 },
    ];
    const kindOf = kindsOf(document, groups);
    this.#document = document;
    this.#groups = groups;
    this.prices = groups.map(({ costPerHour }) =>
      priced || nodes === undefined ? costPerHour : 1,
    );
    this.hosting = hosting;
    this.bounds = bounds;
    this.tasks = tasks.map(({ name }) => name);
    this.unit = nodes === undefined ? "replicas" : priced ? "per hour" : "machines";
    this.#sizesMb = tasks.map(({ model }) => (nodes === undefined ? 0 : model.memoryMb));
    this.#banks = groups.flatMap(({ devices }, node) =>
      Object.entries(devices).map(([device, one]) => {
        const { slots, memoryMb = Number.POSITIVE_INFINITY } =
          typeof one === "number" ? { slots: one } : one;
        return { node, device, kind: kindOf(node, device), slots, memoryMb };
      }),
    );
    this.kinds = 1 + Math.max(...this.#banks.map(({ kind }) => kind));
    this.examples = Array.from({ length: this.kinds }, (_, kind) => {
      return this.#banks.find((bank) => bank.kind === kind) as Bank;
    });
    this.runsOn = tasks.map(({ model }, i) => {
      const { profile } = models[model.name];
      return this.examples.map(({ node, device }, kind) => {
        const hasTimes = typeof profile !== "object" || device in profile;
        return (
          hasTimes &&
          canHold(groups[node].resources, model.demand) &&
          this.#banks.some((bank) => bank.kind === kind && bank.memoryMb >= this.#sizesMb[i])
        );
      });
    });
    this.room = this.#roomOf();
  }

  /** Combinations of rows within all slots that there are. */
  get combinations(): number {
    const { high } = this.bounds;
    const each =
      this.hosting === "everywhere"
        ? this.counts
        : high.flatMap((limit, task) => this.slotsFor(task).map((n) => Math.min(n, limit)));
    return each.reduce((product, n) => product * (n + 1), 1);
  }

  /** Most machines of each node. */
  get counts(): readonly number[] {
    return this.#groups.map(({ count }) => count);
  }

  /**
   * A slot large enough for one model is so for all smaller ones. So replicas fit if, above each size, there are as many
   * slots as replicas; where each slot hosts every task that it can, there are as many replicas of each as such slots.
   */
  #roomOf(): readonly Room[] {
    const sizes = this.#sizesMb;
    const shared = [...new Set(sizes)].map((least) => {
      return { least, tasks: [...sizes.keys()].filter((task) => sizes[task] >= least) };
    });
    const own = sizes.map((least, task) => ({ least, tasks: [task] }));
    return this.examples.flatMap((_, kind) =>
      (this.hosting === "apart" ? shared : own).map(({ least, tasks }) => {
        const banks = this.#banks.filter((bank) => bank.kind === kind && bank.memoryMb >= least);
        const slots = this.#groups.map((_group, node) =>
          sumOf(banks.map((bank) => (bank.node === node ? bank.slots : 0))),
        );
        return { kind, tasks, slots };
      }),
    );
  }

  /** Slots of these machines, all that there are by default, that can host the task, by kind. */
  slotsFor(task: number, counts = this.counts): readonly number[] {
    return this.runsOn[task].map((runs, kind) => {
      const own = this.room.filter((one) => one.kind === kind && one.tasks.includes(task));
      const slots = own.map((one) => slotsOf(one.slots, counts));
      return runs ? Math.min(...slots) : 0;
    });
  }

  /** The cheapest machines with room for the replicas; null where there are none. */
  cheapestFor(rows: readonly Row[]): Shape | null {
    const machines = cheapestCover(this.#needs(rows), this.counts, this.prices);
    if (machines === null) return null;
    const { cost, counts } = machines;
    if (this.hosting === "apart") return { cost, machines: counts, rows };
    const all = this.tasks.map((_, task) => this.slotsFor(task, counts));
    const isAllowed = all.every((row, task) => sumOf(row) <= this.bounds.high[task]);
    return isAllowed ? { cost, machines: counts, rows: all } : null;
  }

  /** Of the cheapest machines with so many slots for the task, and for all tasks; infinite where there are none. */
  leastCost(task: number, own: number, all: number): number {
    if (this.unit === "replicas") return all;
    const alone = this.counts.map((_, node) => this.counts.map((_one, i) => Number(i === node)));
    const forTask = alone.map((counts) => sumOf(this.slotsFor(task, counts)));
    const forAll = alone.map((_, node) => {
      const most = (kind: number): number =>
        Math.max(...this.room.map((one) => (one.kind === kind ? one.slots[node] : 0)));
      return sumOf(this.examples.map((_one, kind) => most(kind)));
    });
    const needs = [
      { slots: forTask, left: own },
      { slots: forAll, left: all },
    ];
    return cheapestCover(needs, this.counts, this.prices)?.cost ?? Number.POSITIVE_INFINITY;
  }

  fits(counts: readonly number[], rows: readonly Row[]): boolean {
    return this.#needs(rows).every(({ slots, left }) => left <= slotsOf(slots, counts));
  }

  #needs(rows: readonly Row[]): readonly Need[] {
    return this.room.map(({ kind, tasks, slots }) => {
      return { slots, left: sumOf(tasks.map((task) => rows[task][kind])) };
    });
  }

  /** The scenario's cluster with this shape; a placement where devices differ. */
  clusterOf({ machines, rows }: Shape): ClusterDocument {
    const nodes = (this.#document.cluster.nodes ?? []).flatMap((node, i) =>
      machines[i] === 0 ? [] : [{ ...node, count: machines[i] }],
    );
    return this.#clusterWith(rows, nodes, machines, this.#sizesMb);
  }

  /** Each replica on a machine of its own, of which none runs short: more than any shape of these rows can do. */
  relaxedClusterOf(rows: readonly Row[]): ClusterDocument {
    const count = sumOf(rows.map(sumOf));
    const nodes = (this.#document.cluster.nodes ?? []).map((node) => {
      const unlimited = Object.entries(node.devices).map(([device, one]) => {
        return [device, typeof one === "number" ? one : { ...one, memoryMb: undefined }];
      });
      return { ...node, count, devices: Object.fromEntries(unlimited) };
    });
    const machines = this.counts.map(() => count);
    return this.#clusterWith(rows, nodes, machines, new Array(rows.length).fill(0));
  }

  /** The placement where devices differ or slots host several tasks. */
  #clusterWith(
    rows: readonly Row[],
    nodes: NodeDocument[],
    machines: readonly number[],
    sizesMb: readonly number[],
  ): ClusterDocument {
    const { nodes: given, ...cluster } = this.#document.cluster;
    const replicas = Object.fromEntries(this.tasks.map((task, i) => [task, sumOf(rows[i])]));
    if (given === undefined) return { ...cluster, replicas };
    if (this.kinds === 1 && this.hosting === "apart") return { ...cluster, replicas, nodes };
    return { ...cluster, replicas, nodes, placement: this.#placementOf(machines, rows, sizesMb) };
  }

  /** Large models first, so that they find the slots with memory for them; a slot may host one task, or all. */
  #placementOf(
    counts: readonly number[],
    rows: readonly Row[],
    sizesMb: readonly number[],
  ): ClusterDocument["placement"] {
    const free = this.#banks.map(({ slots, node }) => slots * counts[node]);
    const largestFirst = [...rows.keys()].sort((a, b) => sizesMb[b] - sizesMb[a]);
    return largestFirst.flatMap((task) => {
      const left = [...rows[task]];
      return this.#banks.flatMap(({ node, device, kind, memoryMb }, bank) => {
        const replicas = memoryMb < sizesMb[task] ? 0 : Math.min(left[kind], free[bank]);
        left[kind] -= replicas;
        if (this.hosting === "apart") free[bank] -= replicas;
        const where = { node: this.#groups[node].name, device };
        return replicas === 0 ? [] : [{ task: this.tasks[task], ...where, replicas }];
      });
    });
  }
}

/** The kind of a node's device: equal where the two serve every task alike. */
function kindsOf(
  { models, faults }: ScenarioDocument,
  groups: readonly Group[],
): (node: number, device: string) => number {
  const { random = [], scheduled = [] } = faults ?? {};
  const nodesFail = [...random, ...scheduled].some(({ node }) => node !== undefined);
  const demanded = Object.values(models).flatMap(({ demand = {} }) => Object.keys(demand));
  const byDevice = Object.values(models).some(({ profile }) => typeof profile === "object");
  const kinds = new Map<string, number>();
  return (node, device) => {
    const { name, devices, contention, zone, gbps, resources } = groups[node];
    const one = devices[device];
    const { speed, sharing } = typeof one === "number" ? { speed: 1, sharing: undefined } : one;
    const free = resources && demanded.map((resource) => resources[resource] ?? 0);
    const own = [byDevice ? device : "", nodesFail ? name : "", free];
    const key = JSON.stringify([...own, speed, sharing, contention, zone, gbps]);
    const kind = kinds.get(key) ?? kinds.size;
    kinds.set(key, kind);
    return kind;
  };
}
