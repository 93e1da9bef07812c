/**
 * The clusters that a plan may choose from: machines of each node, and replicas of each task on each
 * kind of device. Devices that serve every task alike are one kind, so shapes differ only in numbers.
 */

import { sumOf } from "../engine/statistics/estimate.ts";
import { canHold, tasksToPlace } from "../scenario/compile/placement.ts";
import type { ClusterDocument, ScenarioDocument } from "../scenario/schema/scenario.ts";

import { cheapestCover, choicesOf, type Machines, rowsWithin } from "./cover.ts";

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
  readonly #banks: readonly Bank[];
  readonly #sizesMb: readonly number[];
  readonly #thresholdsMb: readonly number[];
  readonly #seen = new Set<string>();
  readonly #groups: readonly Group[];
  /** Of one machine, by node. */
  readonly prices: readonly number[];
  #choices: readonly Machines[] | null = null;

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
    this.#thresholdsMb = [...new Set(sizes)];
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
  }

  /** All choices of machines, by ascending cost; of equal ones, the one with fewer machines first. */
  get choices(): readonly Machines[] {
    this.#choices ??= choicesOf(this.#groups, this.prices);
    return this.#choices;
  }

  get machineChoices(): number {
    return this.counts.reduce((product, n) => product * (n + 1), 1);
  }

  /** Combinations of rows within all slots that there are; `most` where there are more. */
  combinations(most: number): number {
    if (this.hosting === "everywhere") return Math.min(most, this.machineChoices);
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

  /** The room rule as inequalities: replicas of `tasks` on a kind are no more than the slots of `nodes`. */
  get room(): readonly Room[] {
    return this.examples.flatMap((_, kind) =>
      this.#thresholdsMb.map((least) => ({
        kind,
        tasks: [...this.tasks.keys()].filter((task) => this.#sizesMb[task] >= least),
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

  /** All shapes on these machines; null for each that does not need every one of them. */
  *shapesOn(machines: Machines): Generator<readonly Row[] | null, undefined> {
    const { low, high } = this.bounds;
    if (this.hosting === "everywhere") {
      const all = this.#everywhereOn(machines.counts);
      const totals = all.map(sumOf);
      const isWithin = totals.every((total, t) => total >= low[t] && total <= high[t]);
      // A machine that hosts no task costs for nothing.
      const used = new Set(this.#placementEverywhere(machines.counts)?.map(({ node }) => node));
      if (isWithin && used.size === machines.counts.filter((n) => n > 0).length) yield all;
      return;
    }
    for (const rows of this.#placed([], this.#slotsOf(machines.counts))) {
      yield this.#isMinimal(machines.counts, rows) ? rows : null;
    }
  }

  *#placed(rows: readonly Row[], left: readonly number[]): Generator<readonly Row[], undefined> {
    const { low, high } = this.bounds;
    const task = rows.length;
    if (task === this.tasks.length) {
      yield rows;
      return;
    }
    for (const row of rowsWithin(left, low[task], high[task], this.runsOn[task])) {
      const free = left.map((slots, kind) => slots - row[kind]);
      yield* this.#placed([...rows, row], free);
    }
  }

  /** Whether these rows came before, on machines that cost no more. Asking makes it so. */
  isRepeated(rows: readonly Row[]): boolean {
    if (this.kinds === this.#banks.length) return false;
    const key = rows.join(";");
    if (this.#seen.has(key)) return true;
    this.#seen.add(key);
    return false;
  }

  /** Price of a slot by kind, on the cheapest machine that has such. */
  get slotPrices(): readonly number[] {
    return this.examples.map((_, kind) =>
      Math.min(...this.#banks.filter((bank) => bank.kind === kind).map(({ price }) => price)),
    );
  }

  /** Slots by kind that these machines have left. */
  spare({ counts }: Machines, rows: readonly Row[]): readonly number[] {
    return this.#slotsOf(counts).map((slots, kind) => slots - sumOf(rows.map((row) => row[kind])));
  }

  /** The cheapest machines with room for the replicas; null where there are none. */
  cheapestFor(rows: readonly Row[]): Shape | null {
    if (this.hosting === "everywhere") {
      const found = this.choices.find(({ counts }) => this.fits(counts, rows));
      return found === undefined ? null : { cost: found.cost, machines: found.counts, rows };
    }
    const needs = this.room
      .map(({ kind, tasks, slots }) => ({
        slots,
        left: sumOf(tasks.map((task) => rows[task][kind])),
      }))
      .filter(({ left }) => left > 0);
    const machines = cheapestCover(needs, this.counts, this.prices);
    return machines === null ? null : { cost: machines.cost, machines: machines.counts, rows };
  }

  /**
   * A slot large enough for one model is so for all smaller ones. So replicas fit if, above each size,
   * there are as many slots as replicas.
   */
  fits(counts: readonly number[], rows: readonly Row[]): boolean {
    if (this.hosting === "everywhere") {
      const all = this.#everywhereOn(counts);
      return rows.every((row, task) => row.every((replicas, kind) => replicas <= all[task][kind]));
    }
    for (let kind = 0; kind < this.kinds; kind++) {
      for (const least of this.#thresholdsMb) {
        let slots = 0;
        for (const bank of this.#banks) {
          if (bank.kind === kind && bank.memoryMb >= least) slots += bank.slots * counts[bank.node];
        }
        let replicas = 0;
        for (const [task, row] of rows.entries()) {
          if (this.#sizesMb[task] >= least) replicas += row[kind];
        }
        if (replicas > slots) return false;
      }
    }
    return true;
  }

  /** The scenario's cluster with this shape; a placement where devices differ. */
  clusterOf({ machines, rows }: Shape): ClusterDocument {
    const { nodes, ...cluster } = this.#document.cluster;
    const replicas = Object.fromEntries(this.tasks.map((task, i) => [task, sumOf(rows[i])]));
    if (nodes === undefined) return { ...cluster, replicas };
    const taken = nodes.flatMap((node, i) =>
      machines[i] === 0 ? [] : [{ ...node, count: machines[i] }],
    );
    const sizesMb = this.#sizesMb;
    if (this.hosting === "everywhere") {
      return { ...cluster, replicas, nodes: taken, placement: this.#placementEverywhere(machines) };
    }
    const placement =
      this.kinds === 1 ? {} : { placement: this.#placementOf(machines, rows, sizesMb) };
    return { ...cluster, replicas, nodes: taken, ...placement };
  }

  /**
   * The replicas on machines and with memory that never run short, each on a machine of its own: more
   * than any shape of these rows can do.
   */
  relaxedClusterOf(rows: readonly Row[]): ClusterDocument {
    const { nodes, ...cluster } = this.#document.cluster;
    const replicas = Object.fromEntries(this.tasks.map((task, i) => [task, sumOf(rows[i])]));
    if (nodes === undefined) return { ...cluster, replicas };
    const count = sumOf(rows.map(sumOf));
    const machines = nodes.map(() => count);
    const large = nodes.map((node) => ({ ...node, count, devices: withoutLimits(node.devices) }));
    const none = rows.map(() => 0);
    const placement =
      this.kinds === 1 ? {} : { placement: this.#placementOf(machines, rows, none) };
    return { ...cluster, replicas, nodes: large, ...placement };
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
    const nodes = this.#document.cluster.nodes as readonly NodeDocument[];
    return this.tasks.flatMap((task, t) =>
      this.#banksFor(t)
        .filter(({ node }) => counts[node] > 0)
        .map(({ node, device, slots }) => ({
          task,
          node: nodes[node].name,
          device,
          replicas: slots * counts[node],
        })),
    );
  }

  #isMinimal(counts: readonly number[], rows: readonly Row[]): boolean {
    if (!this.fits(counts, rows)) return false;
    return counts.every(
      (count, node) => count === 0 || !this.fits(counts.with(node, count - 1), rows),
    );
  }

  /** Large models first, each replica where most slots of a machine are free. */
  #placementOf(
    counts: readonly number[],
    rows: readonly Row[],
    sizesMb: readonly number[],
  ): ClusterDocument["placement"] {
    const nodes = this.#document.cluster.nodes as readonly NodeDocument[];
    const free = this.#banks.map(({ slots, node }) => slots * counts[node]);
    const most = (bank: number): number => free[bank] / counts[this.#banks[bank].node];
    const placed = rows.map(() => this.#banks.map(() => 0));
    const largestFirst = [...rows.keys()].sort((a, b) => sizesMb[b] - sizesMb[a]);
    for (const i of largestFirst) {
      for (const [kind, replicas] of rows[i].entries()) {
        for (let left = replicas; left > 0; left--) {
          const bank = this.#banks
            .map((_, id) => id)
            .filter((id) => this.#banks[id].kind === kind && free[id] > 0)
            .filter((id) => this.#banks[id].memoryMb >= sizesMb[i])
            .reduce((best, id) => (most(id) > most(best) ? id : best));
          free[bank]--;
          placed[i][bank]++;
        }
      }
    }
    return largestFirst.flatMap((i) =>
      this.#banks.flatMap(({ node, device }, bank) => {
        const replicas = placed[i][bank];
        return replicas === 0
          ? []
          : [{ task: this.tasks[i], node: nodes[node].name, device, replicas }];
      }),
    );
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
