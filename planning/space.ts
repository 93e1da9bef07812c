/**
 * The clusters that a plan may choose from: machines of each node, and replicas of each task on each
 * kind of device. Devices that serve every task alike are one kind, so shapes differ only in numbers.
 */

import { sumOf } from "../engine/statistics/estimate.ts";
import { canHold, tasksToPlace } from "../scenario/compile/placement.ts";
import type { ClusterDocument, ScenarioDocument } from "../scenario/schema/scenario.ts";
import { cheapestCover } from "./cover.ts";

type NodeDocument = NonNullable<ClusterDocument["nodes"]>[number];
type Group = Omit<NodeDocument, "power">;

export type CostUnit = "replicas" | "machines" | "per hour";

/** Fewest and most replicas of each task. */
export type Bounds = Readonly<Record<"low" | "high", readonly number[]>>;

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
  /** A slot's part of its machine's cost. */
  readonly price: number;
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
  /** Of one machine, by node. */
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
    const sizes = tasks.map(({ model }) => (nodes === undefined ? 0 : model.memoryMb));
    this.#sizesMb = sizes;
    this.#banks = groups.flatMap(({ devices }, node) => {
      const price = this.prices[node] / sumOf(Object.values(devices).map(slotsOf));
      return Object.entries(devices).map(([device, one]) => {
        const { slots, memoryMb = Number.POSITIVE_INFINITY } =
          typeof one === "number" ? { slots: one } : one;
        return { node, device, kind: kindOf(node, device), slots, memoryMb, price };
      });
    });
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
          this.#banks.some((bank) => bank.kind === kind && bank.memoryMb >= sizes[i])
        );
      });
    });
    this.room = this.#roomOf();
  }

  /** Combinations of rows within all slots that there are; `most` where there are more. */
  combinations(most: number): number {
    if (this.hosting === "everywhere")
      return this.counts.reduce((product, n) => Math.min(most, product * (n + 1)), 1);
    const slots = this.#slotsOf(this.counts);
    const rows = this.runsOn.map((runs, task) => {
      const free = slots.map((n, kind) => (runs[kind] ? Math.min(n, this.bounds.high[task]) : 0));
      return free.reduce((product, n) => product * (n + 1), 1);
    });
    return Math.min(
      most,
      rows.reduce((product, n) => product * n),
    );
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
      (this.hosting === "apart" ? shared : own).map(({ least, tasks }) => ({
        kind,
        tasks,
        slots: this.#groups.map((_group, node) =>
          sumOf(
            this.#banks
              .filter((bank) => bank.node === node && bank.kind === kind && bank.memoryMb >= least)
              .map((bank) => bank.slots),
          ),
        ),
      })),
    );
  }

  /** Price of a slot by kind, on the cheapest machine that has such. */
  get slotPrices(): readonly number[] {
    return this.examples.map((_, kind) =>
      Math.min(...this.#banks.filter((bank) => bank.kind === kind).map(({ price }) => price)),
    );
  }

  /** The cheapest machines with room for the replicas; null where there are none. */
  cheapestFor(rows: readonly Row[]): Shape | null {
    const needs = this.room
      .map(({ kind, tasks, slots }) => ({
        slots,
        left: sumOf(tasks.map((task) => rows[task][kind])),
      }))
      .filter(({ left }) => left > 0);
    const machines = cheapestCover(needs, this.counts, this.prices);
    if (machines === null) return null;
    const { cost, counts } = machines;
    if (this.hosting === "apart") return { cost, machines: counts, rows };
    const all = this.#everywhereOn(counts);
    const isAllowed = all.every((row, task) => sumOf(row) <= this.bounds.high[task]);
    return isAllowed ? { cost, machines: counts, rows: all } : null;
  }

  fits(counts: readonly number[], rows: readonly Row[]): boolean {
    return this.room.every(({ kind, tasks, slots }) => {
      const replicas = sumOf(tasks.map((task) => rows[task][kind]));
      return replicas <= sumOf(slots.map((each, node) => each * counts[node]));
    });
  }

  /** The scenario's cluster with this shape; a placement where devices differ. */
  clusterOf({ machines, rows }: Shape): ClusterDocument {
    const nodes = (this.#document.cluster.nodes ?? []).flatMap((node, i) =>
      machines[i] === 0 ? [] : [{ ...node, count: machines[i] }],
    );
    if (this.hosting === "apart")
      return this.#clusterWith(rows, nodes, this.#placementOf(machines, rows, this.#sizesMb));
    return { ...this.#clusterWith(rows, nodes), placement: this.#placementEverywhere(machines) };
  }

  /**
   * The replicas on machines and with memory that never run short, each on a machine of its own: more
   * than any shape of these rows can do.
   */
  relaxedClusterOf(rows: readonly Row[]): ClusterDocument {
    const count = sumOf(rows.map(sumOf));
    const nodes = (this.#document.cluster.nodes ?? []).map((node) => {
      return { ...node, count, devices: withoutLimits(node.devices) };
    });
    const machines = this.counts.map(() => count);
    const none = rows.map(() => 0);
    return this.#clusterWith(rows, nodes, this.#placementOf(machines, rows, none));
  }

  /** The placement where devices differ. */
  #clusterWith(
    rows: readonly Row[],
    nodes: NodeDocument[],
    placement?: ClusterDocument["placement"],
  ): ClusterDocument {
    const { nodes: given, ...cluster } = this.#document.cluster;
    const replicas = Object.fromEntries(this.tasks.map((task, i) => [task, sumOf(rows[i])]));
    if (given === undefined) return { ...cluster, replicas };
    return { ...cluster, replicas, nodes, ...(this.kinds === 1 ? {} : { placement }) };
  }

  #slotsOf(counts: readonly number[], banks = this.#banks): number[] {
    const slots = Array<number>(this.kinds).fill(0);
    for (const bank of banks) slots[bank.kind] += bank.slots * counts[bank.node];
    return slots;
  }

  /** By task and kind: the slots of these machines that can host the task. */
  #everywhereOn(counts: readonly number[]): readonly Row[] {
    return this.tasks.map((_, task) => this.#slotsOf(counts, this.#banksFor(task)));
  }

  #banksFor(task: number): readonly Bank[] {
    return this.#banks.filter(
      ({ kind, memoryMb }) => this.runsOn[task][kind] && memoryMb >= this.#sizesMb[task],
    );
  }

  #placementEverywhere(counts: readonly number[]): ClusterDocument["placement"] {
    return this.tasks.flatMap((task, t) =>
      this.#banksFor(t)
        .filter(({ node }) => counts[node] > 0)
        .map(({ node, device, slots }) => ({
          task,
          node: this.#groups[node].name,
          device,
          replicas: slots * counts[node],
        })),
    );
  }

  /** Large models first, so that they find the slots with memory for them. */
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
        free[bank] -= replicas;
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

function slotsOf(device: NodeDocument["devices"][string]): number {
  return typeof device === "number" ? device : device.slots;
}

function withoutLimits(devices: NodeDocument["devices"]): NodeDocument["devices"] {
  const entries = Object.entries(devices).map(([kind, device]) => {
    if (typeof device === "number") return [kind, device];
    const { memoryMb: _, ...rest } = device;
    return [kind, rest];
  });
  return Object.fromEntries(entries);
}
