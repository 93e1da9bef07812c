/**
 * Replicas onto devices. Without nodes in the scenario, one node has a slot for each replica.
 * With nodes, replicas spread: each goes to the node with the most free slots, the earlier on
 * equal terms. An explicit placement is taken as written. Within one kind of device of one machine
 * replicas take the slots in turn.
 */
import type { ClusterDocument } from "./scenario/schema.ts";

type NodeDocument = NonNullable<ClusterDocument["nodes"]>[number];
type DeviceDocument = Exclude<NodeDocument["devices"][string], number>;

export interface PlacedReplica {
  readonly task: string;
  readonly node: number;
  readonly device: string;
  readonly speed: number;
  /** Its place among the placement's `slots`. */
  readonly slot: number;
}

export interface PlacedNode {
  readonly name: string;
  /** The node's name in the scenario; several placed nodes share it when `count` > 1. */
  readonly group: string;
  readonly devices: Readonly<Record<string, DeviceDocument>>;
  readonly contention: readonly number[] | undefined;
  readonly power: NodeDocument["power"];
  readonly zone: string | undefined;
  readonly gbps: number | undefined;
  readonly costPerHour: number;
}

/** One slot of one device: it hosts a replica. */
export interface PlacedSlot {
  readonly node: number;
  readonly kind: string;
  /** Among the slots of its kind on its machine, from 1. */
  readonly number: number;
}

export interface Placement {
  readonly nodes: readonly PlacedNode[];
  readonly replicas: readonly PlacedReplica[];
  /** Slots that host a replica. */
  readonly slots: readonly PlacedSlot[];
  /** Replicas that no free slot was left for, by task. */
  readonly unplaced: Readonly<Record<string, number>>;
}

/** The slots of one kind of device on one machine. */
interface Bank {
  readonly node: number;
  readonly group: string;
  readonly kind: string;
  readonly device: DeviceDocument;
  free: number;
  /** Places of the slots that host a replica, among the placement's `slots`. */
  readonly taken: number[];
}

/** `tasks` gives the order in which tasks take their slots. */
export function placeReplicas(cluster: ClusterDocument, tasks: readonly string[]): Placement {
  const { nodes, banks } = expandNodes(cluster, tasks);
  const replicas: PlacedReplica[] = [];
  const slots: PlacedSlot[] = [];
  const unplaced: Record<string, number> = {};
  const put = (task: string, among: readonly Bank[]): void => {
    const found = freest(among);
    if (found === undefined) {
      unplaced[task] = (unplaced[task] ?? 0) + 1;
      return;
    }
    const { node, kind, device, taken } = found;
    const turn = device.slots - found.free--;
    if (turn < device.slots) {
      taken.push(slots.length);
      slots.push({ node, kind, number: turn + 1 });
    }
    const slot = taken[turn % device.slots];
    replicas.push({ task, node, device: kind, speed: device.speed, slot });
  };
  for (const task of tasks) {
    let left = cluster.replicas[task] ?? 0;
    for (const entry of cluster.placement ?? []) {
      if (entry.task !== task) continue;
      const among = banks.filter(
        (bank) =>
          (bank.group === entry.node || nodes[bank.node].name === entry.node) &&
          (entry.device === undefined || bank.kind === entry.device),
      );
      for (let i = 0; i < entry.replicas && left > 0; i++, left--) put(task, among);
    }
    for (; left > 0; left--) put(task, banks);
  }
  return { nodes, replicas, slots, unplaced };
}

/** Whether a device may host more replicas than it has slots. */
export function isShared(device: NodeDocument["devices"][string]): boolean {
  return typeof device !== "number" && (device.shared || device.sharing !== undefined);
}

function expandNodes(
  cluster: ClusterDocument,
  tasks: readonly string[],
): { nodes: PlacedNode[]; banks: Bank[] } {
  const total = tasks.reduce((sum, task) => sum + (cluster.replicas[task] ?? 0), 0);
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
    const { contention, power, zone, gbps, costPerHour } = group;
    for (let i = 0; i < group.count; i++) {
      const node = nodes.length;
      const name = group.count === 1 ? group.name : `${group.name}-${i + 1}`;
      nodes.push({
        name,
        group: group.name,
        devices,
        contention,
        power,
        zone,
        gbps,
        costPerHour,
      });
      for (const [kind, device] of Object.entries(devices)) {
        banks.push({ node, group: group.name, kind, device, free: device.slots, taken: [] });
      }
    }
  }
  return { nodes, banks };
}

function freest(among: readonly Bank[]): Bank | undefined {
  let best: Bank | undefined;
  for (const bank of among) {
    if (bank.free <= 0 && !isShared(bank.device)) continue;
    if (best === undefined || bank.free > best.free) best = bank;
  }
  return best;
}
