/**
 * Replicas onto devices. Without nodes in the scenario, one node has a slot for each replica.
 * With nodes, replicas spread: each goes to the node with the most free slots, the earlier on
 * equal terms. An explicit placement is taken as written.
 */
import type { ClusterDocument } from "./scenario/schema.ts";

export interface PlacedReplica {
  readonly task: string;
  readonly node: number;
  readonly device: string;
  readonly speed: number;
}

export interface PlacedNode {
  readonly name: string;
  /** The node's name in the scenario; several placed nodes share it when `count` > 1. */
  readonly group: string;
  readonly contention: readonly number[] | undefined;
  readonly costPerHour: number;
}

export interface Placement {
  readonly nodes: readonly PlacedNode[];
  readonly replicas: readonly PlacedReplica[];
  /** Replicas that no free slot was left for, by task. */
  readonly unplaced: Readonly<Record<string, number>>;
}

interface Slots {
  readonly node: number;
  readonly group: string;
  readonly device: string;
  readonly speed: number;
  readonly shared: boolean;
  free: number;
}

/** `tasks` gives the order in which tasks take their slots. */
export function placeReplicas(cluster: ClusterDocument, tasks: readonly string[]): Placement {
  const { nodes, slots } = expandNodes(cluster, tasks);
  const replicas: PlacedReplica[] = [];
  const unplaced: Record<string, number> = {};
  const put = (task: string, among: readonly Slots[]): void => {
    const found = freest(among);
    if (found === undefined) {
      unplaced[task] = (unplaced[task] ?? 0) + 1;
      return;
    }
    found.free--;
    replicas.push({ task, node: found.node, device: found.device, speed: found.speed });
  };
  for (const task of tasks) {
    let left = cluster.replicas[task] ?? 0;
    for (const entry of cluster.placement ?? []) {
      if (entry.task !== task) continue;
      const among = slots.filter(
        (s) =>
          (s.group === entry.node || nodes[s.node].name === entry.node) &&
          (entry.device === undefined || s.device === entry.device),
      );
      for (let i = 0; i < entry.replicas && left > 0; i++, left--) put(task, among);
    }
    for (; left > 0; left--) put(task, slots);
  }
  return { nodes, replicas, unplaced };
}

function expandNodes(
  cluster: ClusterDocument,
  tasks: readonly string[],
): { nodes: PlacedNode[]; slots: Slots[] } {
  const total = tasks.reduce((sum, task) => sum + (cluster.replicas[task] ?? 0), 0);
  const groups = cluster.nodes ?? [
    { name: "node", count: 1, devices: { slot: Math.max(1, total) }, costPerHour: 0 },
  ];
  const nodes: PlacedNode[] = [];
  const slots: Slots[] = [];
  for (const group of groups) {
    for (let i = 0; i < group.count; i++) {
      const node = nodes.length;
      const name = group.count === 1 ? group.name : `${group.name}-${i + 1}`;
      const contention = "contention" in group ? group.contention : undefined;
      nodes.push({ name, group: group.name, contention, costPerHour: group.costPerHour });
      for (const [device, declared] of Object.entries(group.devices)) {
        const {
          slots: free,
          shared,
          speed,
        } = typeof declared === "number" ? { slots: declared, shared: false, speed: 1 } : declared;
        slots.push({ node, group: group.name, device, speed, shared, free });
      }
    }
  }
  return { nodes, slots };
}

function freest(among: readonly Slots[]): Slots | undefined {
  let best: Slots | undefined;
  for (const slots of among) {
    if (slots.free <= 0 && !slots.shared) continue;
    if (best === undefined || slots.free > best.free) best = slots;
  }
  return best;
}
