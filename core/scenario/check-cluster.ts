/** Checks of the cluster: replicas, device slots, placement, memory, power, links and zones. */

import type { Issue } from "../fault.ts";
import {
  canHold,
  isShared,
  memoryNeed,
  placeReplicas,
  tasksToPlace,
  variantsOf,
} from "../placement.ts";
import { sumOf } from "../statistics/estimate.ts";
import { reachable } from "./check-pipelines.ts";
import { didYouMean, issueAt, noSuch } from "./issues.ts";
import type { ClusterDocument, Parts } from "./schema.ts";

type Nodes = NonNullable<ClusterDocument["nodes"]>;
type Placement = NonNullable<ClusterDocument["placement"]>;

/** Every task that a request can reach has a replica, and no replica serves an unknown task. */
export function checkReplicas({ pipelines, cluster }: Parts<"pipelines" | "cluster">): Issue[] {
  const { replicas } = cluster;
  const pools = new Map<string, readonly string[]>();
  for (const { tasks } of Object.values(pipelines)) {
    for (const [name, task] of Object.entries(tasks)) {
      pools.set(
        name,
        variantsOf(name, task).map(({ pool }) => pool),
      );
    }
  }
  const names = new Set([...pools.values()].flat());
  const issues = Object.keys(replicas)
    .filter((name) => !names.has(name))
    .map((name) => {
      const at = `cluster.replicas.${name}`;
      const variants = pools.get(name);
      if (variants === undefined) return noSuch("task", at, name, names);
      const hint = `give replicas to ${variants.join(", ")}`;
      return issueAt(at, `task "${name}" has variants, each with replicas of its own`, hint);
    });
  const needed = new Map<string, string>();
  for (const { discipline, tasks } of Object.values(pipelines)) {
    const reached = reachable(tasks);
    for (const name of Object.keys(tasks)) {
      if (reached.has(name)) needed.set(name, "requests can reach it");
      else if (discipline === "pipeline-held") needed.set(name, "a held request holds every task");
    }
  }
  for (const [name, why] of needed) {
    const all = pools.get(name) as readonly string[];
    const counts = all.flatMap((pool) => (Object.hasOwn(replicas, pool) ? [replicas[pool]] : []));
    if (counts.some((count) => count > 0)) continue;
    const got = counts.length === 0 ? "no entry" : "0";
    const of = all[0] === name ? "" : `of ${all.join(" or ")} `;
    const message = `task "${name}" needs at least 1 replica ${of}(${why}), got ${got}`;
    issues.push(issueAt(`cluster.replicas.${all[0]}`, message));
  }
  return issues;
}

/** Slots of a node over all its machines; Infinity when a device may host any number. */
function slotsOf(node: Nodes[number], kind: string): number {
  const device = node.devices[kind];
  if (isShared(device)) return Number.POSITIVE_INFINITY;
  return (typeof device === "number" ? device : device.slots) * node.count;
}

/** Nodes have distinct names and enough slots for the replicas, as spread or as placed. */
export function checkSlots({ cluster }: Parts<"cluster">): Issue[] {
  const { nodes, placement } = cluster;
  if (nodes === undefined) {
    const message = "a placement needs `nodes` to place replicas on";
    return placement === undefined ? [] : [issueAt("cluster.placement", message)];
  }
  const issues: Issue[] = [];
  nodes.forEach((node, index) => {
    const at = `cluster.nodes.${index}`;
    if (nodes.findIndex((other) => other.name === node.name) < index) {
      issues.push(issueAt(`${at}.name`, `two nodes are called "${node.name}"`));
    }
    if (Object.keys(node.devices).length === 0) {
      issues.push(issueAt(`${at}.devices`, "no device: expected at least one"));
    }
  });
  if (placement !== undefined) issues.push(...checkPlacement(cluster, nodes, placement));
  const slots = sumOf(
    nodes.flatMap((node) => Object.keys(node.devices).map((kind) => slotsOf(node, kind))),
  );
  const replicas = sumOf(Object.values(cluster.replicas));
  const placedTooMany = issues.some((issue) => issue.path.startsWith("cluster.placement"));
  if (replicas > slots && !placedTooMany) {
    issues.push(tooFew("cluster.replicas", replicas, slots, "the nodes have"));
  }
  return issues;
}

/** The node that a placement names: by its own name, or `gpu-2` for the second machine of `gpu`. */
function findNode(nodes: Nodes, name: string): Nodes[number] | undefined {
  return nodes.find((node) => node.name === name || isMachineOf(node, name));
}

function isMachineOf(node: Nodes[number], name: string): boolean {
  return node.count > 1 && isNumbered(name, node.name, node.count);
}

/** Whether `name` is one of `group-1` to `group-count`. */
export function isNumbered(name: string, group: string, count: number): boolean {
  const number = name.startsWith(`${group}-`) ? name.slice(group.length + 1) : "";
  return /^[1-9]\d*$/.test(number) && Number(number) <= count;
}

function checkPlacement(cluster: ClusterDocument, nodes: Nodes, placement: Placement): Issue[] {
  const issues: Issue[] = [];
  const names = nodes.map((node) => node.name);
  placement.forEach((entry, index) => {
    const at = `cluster.placement.${index}`;
    const node = findNode(nodes, entry.node);
    if (!Object.hasOwn(cluster.replicas, entry.task)) {
      issues.push(noSuch("task", `${at}.task`, entry.task, Object.keys(cluster.replicas)));
    }
    if (node === undefined) {
      issues.push(noSuch("node", `${at}.node`, entry.node, names));
    } else if (entry.device !== undefined && !Object.hasOwn(node.devices, entry.device)) {
      const hint = didYouMean(entry.device, Object.keys(node.devices));
      const message = `node ${node.name} has no device of kind "${entry.device}"`;
      issues.push(issueAt(`${at}.device`, message, hint));
    }
  });
  for (const [task, replicas] of Object.entries(cluster.replicas)) {
    const first = placement.findIndex((entry) => entry.task === task);
    const placed = sumOf(placement.filter((e) => e.task === task).map((e) => e.replicas));
    // A task that no entry names is spread over the remaining slots.
    if (first < 0 || placed === replicas) continue;
    const message = `task "${task}" has ${replicas} replicas, but ${placed} are placed`;
    const hint = "the two counts must be equal";
    issues.push(issueAt(`cluster.placement.${first}`, message, hint));
  }
  return [...issues, ...nodes.flatMap((node) => checkPlacedOn(node, placement))];
}

/** Slots of a node against the replicas placed on it: by kind of device, else over all kinds. */
function checkPlacedOn(node: Nodes[number], placement: Placement): Issue[] {
  const groups = new Map<string, { entries: Placement[number][]; machines: number; at: string }>();
  placement.forEach((entry, index) => {
    const machine = isMachineOf(node, entry.node);
    if (!machine && entry.node !== node.name) return;
    const machines = machine ? 1 : node.count;
    const group = groups.get(entry.node) ?? {
      entries: [],
      machines,
      at: `cluster.placement.${index}`,
    };
    group.entries.push(entry);
    groups.set(entry.node, group);
  });
  return [...groups].flatMap(([name, { entries, machines, at }]) => {
    const kinds = Object.keys(node.devices);
    const slots = (kind: string) => (slotsOf(node, kind) * machines) / node.count;
    const full = kinds.flatMap((kind) => {
      const used = sumOf(entries.filter((e) => e.device === kind).map((e) => e.replicas));
      if (used <= slots(kind)) return [];
      return [tooFew(at, used, slots(kind), `the ${kind} of node ${name} has`)];
    });
    const used = sumOf(entries.map((entry) => entry.replicas));
    const all = sumOf(kinds.map(slots));
    return full.length > 0 || used <= all ? full : [tooFew(at, used, all, `node ${name} has`)];
  });
}

function tooFew(at: string, replicas: number, slots: number, who: string): Issue {
  const room = `${slots} device ${slots === 1 ? "slot" : "slots"}`;
  const message = `${replicas} replicas, but ${who} ${room}`;
  return issueAt(
    at,
    message,
    "add nodes or slots, or give the device `shared: true` or a `sharing`",
  );
}

export function checkPower({ cluster }: Parts<"cluster">): Issue[] {
  return (cluster.nodes ?? []).flatMap((node, index) => {
    const at = `cluster.nodes.${index}`;
    const drawn = [
      [`${at}.power`, node.power] as const,
      ...Object.entries(node.devices).map(
        ([kind, device]) =>
          [
            `${at}.devices.${kind}.power`,
            typeof device === "number" ? undefined : device.power,
          ] as const,
      ),
    ];
    return drawn.flatMap(([path, power]) => {
      if (power === undefined || power.busyWatts >= power.idleWatts) return [];
      const message = `expected at least the ${power.idleWatts} idle watts, got ${power.busyWatts}`;
      return [issueAt(`${path}.busyWatts`, message, "the busy watts include the idle ones")];
    });
  });
}

/** Each slot has room for the models that are always on it and the largest of the others. */
export function checkMemory({
  pipelines,
  models,
  cluster,
}: Parts<"pipelines" | "models" | "cluster">): Issue[] {
  const { nodes } = cluster;
  if (nodes === undefined) return [];
  const tasks = tasksToPlace({ pipelines, models });
  const modelOf = new Map(tasks.map(({ name, model }) => [name, model]));
  const { slots, replicas, nodes: machines } = placeReplicas(cluster, tasks);
  const found = new Map<string, Issue>();
  slots.forEach(({ node, kind }, slot) => {
    const { group, devices } = machines[node];
    const { memoryMb } = devices[kind];
    if (memoryMb === undefined) return;
    const here = replicas.flatMap((replica) =>
      replica.slot === slot ? (modelOf.get(replica.task) ?? []) : [],
    );
    const { alwaysMb, largest, totalMb } = memoryNeed(here);
    if (totalMb <= memoryMb) return;
    const at = `cluster.nodes.${nodes.findIndex(({ name }) => name === group)}.devices.${kind}`;
    const always = alwaysMb === 0 ? "" : `${alwaysMb} MB for models that are always there`;
    const one = largest === null ? "" : `${largest.memoryMb} MB for model ${largest.name}`;
    const needed = [always, one].filter((part) => part !== "").join(" and ");
    const message = `a slot has ${memoryMb} MB, but needs ${needed}`;
    const hint = "a larger device, another `placement`, or fewer models of `residency: always`";
    found.set(at, issueAt(`${at}.memoryMb`, message, hint));
  });
  return [...found.values()];
}

/** Every demand names resources of some node, and fits the node of each replica by itself. */
export function checkResources({
  pipelines,
  models,
  cluster,
}: Parts<"pipelines" | "models" | "cluster">): Issue[] {
  const { nodes } = cluster;
  const known = new Set((nodes ?? []).flatMap((node) => Object.keys(node.resources ?? {})));
  const unknown = Object.entries(models).flatMap(([model, { demand = {} }]) =>
    Object.keys(demand).flatMap((resource) => {
      if (known.has(resource)) return [];
      const at = `models.${model}.demand.${resource}`;
      const none = `give it to \`cluster.nodes\`: \`resources: { ${resource}: 8 }\``;
      return [issueAt(at, `no node has "${resource}"`, didYouMean(resource, known) ?? none)];
    }),
  );
  if (nodes === undefined || unknown.length > 0) return unknown;
  const tasks = tasksToPlace({ pipelines, models });
  const placement = placeReplicas(cluster, tasks);
  const found = new Map<string, Issue>();
  for (const { task, node } of placement.replicas) {
    const model = tasks.find(({ name }) => name === task)?.model;
    const { name, resources } = placement.nodes[node];
    if (model === undefined || canHold(resources, model.demand)) continue;
    for (const [resource, amount] of Object.entries(model.demand ?? {})) {
      const has = resources?.[resource] ?? 0;
      if (amount <= has) continue;
      const at = `models.${model.name}.demand.${resource}`;
      const message = `a batch takes ${amount}, but node ${name}, which hosts task "${task}", has ${has}`;
      found.set(
        at,
        issueAt(at, message, "a larger node, another `placement`, or a smaller demand"),
      );
    }
  }
  return [...found.values()];
}

/** Links that share have a bandwidth, and every node's zone a distance from the gateway's. */
export function checkNetwork({ cluster }: Parts<"cluster">): Issue[] {
  const { network, nodes = [], gateway } = cluster;
  const issues: Issue[] = [];
  const links = network?.gbps !== undefined || nodes.some(({ gbps }) => gbps !== undefined);
  if (network?.links === "fair" && !links) {
    const message = "no bandwidth to share: neither the network nor a node gives `gbps`";
    issues.push(issueAt("cluster.network.links", message));
  }
  return [...issues, ...checkZones(network?.zones ?? [], nodes, gateway?.zone)];
}

type Zones = NonNullable<NonNullable<ClusterDocument["network"]>["zones"]>;

function checkZones(zones: Zones, nodes: Nodes, gatewayZone: string | undefined): Issue[] {
  const issues: Issue[] = [];
  const inhabited = new Set(
    [gatewayZone, ...nodes.map(({ zone }) => zone)].filter((zone) => zone !== undefined),
  );
  const pair = ([a, b]: readonly [string, string]): string => [a, b].sort().join(" and ");
  zones.forEach(({ between }, index) => {
    const at = `cluster.network.zones.${index}.between`;
    between.forEach((zone, end) => {
      if (inhabited.has(zone)) return;
      const message = `neither a node nor the gateway stands in zone "${zone}"`;
      issues.push(issueAt(`${at}.${end}`, message, didYouMean(zone, inhabited)));
    });
    if (between[0] === between[1]) {
      issues.push(issueAt(at, "one zone twice", "within a zone `network.rttMs` is the round trip"));
    }
    if (zones.findIndex((other) => pair(other.between) === pair(between)) < index) {
      issues.push(issueAt(at, `${pair(between)} have two distances`));
    }
  });
  nodes.forEach((node, index) => {
    if (node.zone === gatewayZone) return;
    const at = `cluster.nodes.${index}.zone`;
    if (node.zone === undefined || gatewayZone === undefined) {
      const who = node.zone === undefined ? `node ${node.name}` : "the gateway";
      const hint = "give a `zone` to the gateway and to every node, or to none";
      issues.push(issueAt(at, `${who} stands in no zone, so it has no distance to others`, hint));
    } else if (!zones.some(({ between }) => pair(between) === pair([node.zone!, gatewayZone]))) {
      const message = `no distance between ${pair([node.zone, gatewayZone])}, the gateway's zone`;
      const hint = `\`network: { zones: [{ between: [${node.zone}, ${gatewayZone}], rttMs: 5 }] }\``;
      issues.push(issueAt(at, message, hint));
    }
  });
  return issues;
}
