/** Checks of the cluster: replicas, device slots, placement, memory, power, links and zones. */

import type { Issue } from "../../engine/basics/fault.ts";
import { grouped } from "../../engine/basics/iterables.ts";
import { sumOf } from "../../engine/statistics/estimate.ts";
import {
  canHold,
  isShared,
  type LoadedModel,
  memoryNeed,
  placeReplicas,
  poolsOf,
  tasksToPlace,
} from "../compile/placement.ts";
import { didYouMean, type Issues, issueAt, noSuch } from "../reading/issues.ts";
import type { ClusterDocument, Parts } from "../schema/scenario.ts";
import { reachable } from "./check-pipelines.ts";
import { memoryOf } from "./useless-machines.ts";

type Nodes = NonNullable<ClusterDocument["nodes"]>;
type Placement = NonNullable<ClusterDocument["placement"]>;

/** Every task that a request can reach has a replica, and no replica serves an unknown task. */
export function* checkReplicas({ pipelines, cluster }: Parts<"pipelines" | "cluster">): Issues {
  const { replicas } = cluster;
  const all = Object.values(pipelines).flatMap(({ tasks }) => poolsOf(tasks));
  const known = new Set(all.map(({ pool }) => pool));
  const pools = grouped(all, ({ task }) => task);
  const poolsOfTask = (task: string) => [...new Set(pools.get(task)?.map(({ pool }) => pool))];
  for (const name of Object.keys(replicas)) {
    if (known.has(name)) continue;
    const at = `cluster.replicas.${name}`;
    if (pools.has(name)) {
      const hint = `give replicas to ${poolsOfTask(name).join(", ")}`;
      yield issueAt(at, `task "${name}" has variants, each with replicas of its own`, hint);
    } else yield noSuch("task", at, name, known);
  }
  const needed = new Map<string, string>();
  for (const { discipline, tasks } of Object.values(pipelines)) {
    const reached = reachable(tasks);
    for (const name of Object.keys(tasks)) {
      if (reached.has(name)) needed.set(name, "requests can reach it");
      else if (discipline === "pipeline-held") needed.set(name, "a held request holds every task");
    }
  }
  for (const [name, why] of needed) {
    const own = poolsOfTask(name);
    const counts = own.flatMap((pool) => (Object.hasOwn(replicas, pool) ? [replicas[pool]] : []));
    if (counts.some((count) => count > 0)) continue;
    const got = counts.length === 0 ? "no entry" : "0";
    const of = own[0] === name ? "" : `of ${own.join(" or ")} `;
    const message = `task "${name}" needs at least 1 replica ${of}(${why}), got ${got}`;
    yield issueAt(`cluster.replicas.${own[0]}`, message);
  }
}

/** Slots of a node over all its machines; Infinity when a device may host any number. */
function slotsOf(node: Nodes[number], kind: string): number {
  const device = node.devices[kind];
  if (isShared(device)) return Number.POSITIVE_INFINITY;
  return (typeof device === "number" ? device : device.slots) * node.count;
}

/** Nodes have distinct names and enough slots for the replicas, as spread or as placed. */
export function* checkSlots({ cluster }: Parts<"cluster">): Issues {
  const { nodes, placement } = cluster;
  if (nodes === undefined) {
    if (placement === undefined) return;
    yield issueAt("cluster.placement", "a placement needs `nodes` to place replicas on");
    return;
  }
  for (const [index, { name, devices }] of nodes.entries()) {
    const at = `cluster.nodes.${index}`;
    if (nodes.findIndex((other) => other.name === name) < index) {
      yield issueAt(`${at}.name`, `two nodes are called "${name}"`);
    }
    if (Object.keys(devices).length === 0) {
      yield issueAt(`${at}.devices`, "no device: expected at least one");
    }
  }
  const misplaced = placement === undefined ? [] : [...checkPlacement(cluster, nodes, placement)];
  yield* misplaced;
  const kinds = nodes.flatMap((node) =>
    Object.keys(node.devices).map((kind) => slotsOf(node, kind)),
  );
  const slots = sumOf(kinds);
  const replicas = sumOf(Object.values(cluster.replicas));
  if (replicas > slots && misplaced.length === 0) {
    yield tooFew("cluster.replicas", replicas, slots, "the nodes have");
  }
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

function* checkPlacement(cluster: ClusterDocument, nodes: Nodes, placement: Placement): Issues {
  const names = nodes.map((node) => node.name);
  for (const [index, entry] of placement.entries()) {
    const at = `cluster.placement.${index}`;
    const node = findNode(nodes, entry.node);
    if (!Object.hasOwn(cluster.replicas, entry.task)) {
      yield noSuch("task", `${at}.task`, entry.task, Object.keys(cluster.replicas));
    }
    if (node === undefined) {
      yield noSuch("node", `${at}.node`, entry.node, names);
    } else if (entry.device !== undefined && !Object.hasOwn(node.devices, entry.device)) {
      const hint = didYouMean(entry.device, Object.keys(node.devices));
      const message = `node ${node.name} has no device of kind "${entry.device}"`;
      yield issueAt(`${at}.device`, message, hint);
    }
  }
  for (const [task, replicas] of Object.entries(cluster.replicas)) {
    const own = placement.filter((entry) => entry.task === task);
    const placed = sumOf(own.map((entry) => entry.replicas));
    // A task that no entry names is spread over the remaining slots.
    if (own.length === 0 || placed === replicas) continue;
    const message = `task "${task}" has ${replicas} replicas, but ${placed} are placed`;
    const path = `cluster.placement.${placement.indexOf(own[0])}`;
    yield issueAt(path, message, "the two counts must be equal");
  }
  for (const node of nodes) yield* checkPlacedOn(node, placement);
  yield* checkStages(nodes, placement);
}

/** Entries with `slots`: groups of devices that are equal or apart, on one machine, which nothing else uses. */
function* checkStages(nodes: Nodes, placement: Placement): Issues {
  for (const [index, { node: name, device = "", slots }] of placement.entries()) {
    const node = findNode(nodes, name);
    const kind = node?.devices[device];
    const at = `cluster.placement.${index}`;
    if (node === undefined) continue;
    const count = typeof kind === "object" ? kind.slots : (kind ?? 0);
    const isHere = (other: Placement[number]): boolean =>
      findNode(nodes, other.node) === node && (other.device ?? device) === device;
    const others = placement.filter(isHere);
    if (slots === undefined) {
      if (!others.some((other) => other.slots !== undefined)) continue;
      yield issueAt(at, "other replicas of this device are on `slots`: expected `slots` here too");
    } else if (kind === undefined) {
      yield issueAt(at, "`slots` are those of a `device`: expected its kind");
    } else if (node.count > 1 && !isMachineOf(node, name)) {
      yield issueAt(`${at}.node`, `node ${name} has ${node.count} machines`, `name one: ${name}-1`);
    } else if (!isShared(kind)) {
      const hint = `devices: { ${device}: { slots: ${count}, shared: true } }`;
      yield issueAt(at, `replicas share \`slots\`, but ${device} is not shared`, hint);
    } else {
      const isBad = (slot: number, i: number): boolean => slot > count || slots.indexOf(slot) < i;
      const bad = slots.find(isBad);
      if (bad !== undefined) {
        const wrong = bad > count ? `is beyond the ${count} of ${device}` : "is there twice";
        yield issueAt(`${at}.slots`, `slot ${bad} ${wrong}`);
      }
      const other = others.find(
        (one) =>
          one.node === name &&
          one.slots?.join() !== slots.join() &&
          one.slots?.some((slot) => slots.includes(slot)),
      );
      if (other === undefined) continue;
      const message = `slots ${slots.join(", ")} overlap ${other.slots?.join(", ")}`;
      yield issueAt(`${at}.slots`, message, "groups of devices are equal or apart");
    }
  }
}

/** Slots of a node against the replicas placed on it: by kind of device, else over all kinds. */
function* checkPlacedOn(node: Nodes[number], placement: Placement): Issues {
  const here = placement.filter(
    (entry) => entry.node === node.name || isMachineOf(node, entry.node),
  );
  for (const [name, entries] of grouped(here, (entry) => entry.node)) {
    const at = `cluster.placement.${placement.indexOf(entries[0])}`;
    const share = isMachineOf(node, name) ? 1 / node.count : 1;
    const kinds = Object.keys(node.devices).map((kind) => {
      const own = entries.filter(({ device }) => device === kind);
      return { kind, used: usedBy(own), slots: slotsOf(node, kind) * share };
    });
    const full = kinds.filter(({ used, slots }) => used > slots);
    for (const { kind, used, slots } of full) {
      yield tooFew(at, used, slots, `the ${kind} of node ${name} has`);
    }
    const all = sumOf(kinds.map(({ slots }) => slots));
    const used = usedBy(entries);
    if (full.length === 0 && used > all) yield tooFew(at, used, all, `node ${name} has`);
  }
}

function usedBy(entries: Placement): number {
  return sumOf(entries.map(({ replicas }) => replicas));
}

function tooFew(at: string, replicas: number, slots: number, who: string): Issue {
  const room = `${slots} device ${slots === 1 ? "slot" : "slots"}`;
  const hint = "add nodes or slots, or give the device `shared: true` or a `sharing`";
  return issueAt(at, `${replicas} replicas, but ${who} ${room}`, hint);
}

export function* checkPower({ cluster }: Parts<"cluster">): Issues {
  for (const [index, node] of (cluster.nodes ?? []).entries()) {
    const at = `cluster.nodes.${index}`;
    const drawn = new Map([[at, node.power]]);
    for (const [kind, device] of Object.entries(node.devices)) {
      if (typeof device !== "number") drawn.set(`${at}.devices.${kind}`, device.power);
    }
    for (const [path, power] of drawn) {
      if (power === undefined || power.busyWatts >= power.idleWatts) continue;
      const message = `expected at least the ${power.idleWatts} idle watts, got ${power.busyWatts}`;
      const hint = "the busy watts include the idle ones";
      yield issueAt(`${path}.power.busyWatts`, message, hint);
    }
  }
}

type Placed = Parts<"pipelines" | "models" | "cluster">;

/** Each slot has room for the models that are always on it and the largest of the others. */
export function* checkMemory({ pipelines, models, cluster }: Placed): Issues {
  const { nodes } = cluster;
  if (nodes === undefined) return;
  const tasks = tasksToPlace({ pipelines, models });
  const modelOf = new Map(tasks.map(({ name, model }) => [name, model]));
  const { slots, replicas, nodes: machines } = placeReplicas(cluster, tasks);
  const parts = replicas.flatMap(({ task, slot, stages }) => {
    const model = modelOf.get(task);
    if (model === undefined) return [];
    if (stages === null) return [{ slot, model }];
    // Each device of a pipeline has its part from the start.
    const part = {
      ...model,
      memoryMb: model.memoryMb / stages.length,
      residency: "always",
    } as const;
    return stages.map((each) => ({ slot: each, model: part }));
  });
  const bySlot = grouped(parts, ({ slot }) => slot);
  const found = new Map<string, Issue>();
  const mostMb = Math.max(...nodes.flatMap(({ devices }) => Object.values(devices).map(memoryOf)));
  for (const [slot, { node, kind }] of slots.entries()) {
    const { group, devices } = machines[node];
    const { memoryMb = Number.POSITIVE_INFINITY } = devices[kind];
    const here = (bySlot.get(slot) ?? []).map(({ model }) => model);
    const { alwaysMb, largest, totalMb } = memoryNeed(here);
    if (totalMb <= memoryMb) continue;
    const at = `cluster.nodes.${nodes.findIndex(({ name }) => name === group)}.devices.${kind}`;
    const always = alwaysMb === 0 ? [] : [`${alwaysMb} MB for models that are always there`];
    const one = largest === null ? [] : [`${largest.memoryMb} MB for model ${largest.name}`];
    const isInAll = largest !== null && mostMb > memoryMb && mostMb < largest.memoryMb;
    const most = isInAll ? `; the largest of all has ${mostMb} MB` : "";
    const needed = [...always, ...one].join(" and ");
    const message = `a slot has ${memoryMb} MB, but needs ${needed}${most}`;
    const hint = "a larger device, another `placement`, or fewer models of `residency: always`";
    found.set(at, issueAt(`${at}.memoryMb`, message, hint));
  }
  for (const { task, stages } of replicas) {
    const name = modelOf.get(task)?.name ?? "";
    const { loadMs = 0, residency } = models[name] ?? {};
    if (stages === null || loadMs === 0 || residency === "always") continue;
    const message = "a pipeline over several devices has its models from the start";
    const at = `models.${name}.residency`;
    found.set(at, issueAt(at, message, "`residency: always`"));
  }
  yield* found.values();
}

/** Every demand names resources of some node, and fits the node of each replica by itself. */
export function* checkResources({ pipelines, models, cluster }: Placed): Issues {
  const { nodes } = cluster;
  const known = new Set((nodes ?? []).flatMap((node) => Object.keys(node.resources ?? {})));
  const demanded = Object.entries(models).flatMap(([model, { demand = {} }]) =>
    Object.keys(demand).map((resource) => ({ resource, at: `models.${model}.demand.${resource}` })),
  );
  const unknown = demanded.filter(({ resource }) => !known.has(resource));
  for (const { resource, at } of unknown) {
    const none = `give it to \`cluster.nodes\`: \`resources: { ${resource}: 8 }\``;
    yield issueAt(at, `no node has "${resource}"`, didYouMean(resource, known) ?? none);
  }
  if (nodes === undefined || unknown.length > 0) return;
  const tasks = tasksToPlace({ pipelines, models });
  const modelOf = new Map(tasks.map(({ name, model }) => [name, model]));
  const placement = placeReplicas(cluster, tasks);
  const found = new Map<string, Issue>();
  for (const { task, node } of placement.replicas) {
    const { name: model, demand = {} } = modelOf.get(task) as LoadedModel;
    const { name, resources } = placement.nodes[node];
    if (canHold(resources, demand)) continue;
    for (const [resource, amount] of Object.entries(demand)) {
      const has = resources?.[resource] ?? 0;
      if (amount <= has) continue;
      const at = `models.${model}.demand.${resource}`;
      const message = `a batch takes ${amount}, but node ${name}, which hosts task "${task}", has ${has}`;
      const hint = "a larger node, another `placement`, or a smaller demand";
      found.set(at, issueAt(at, message, hint));
    }
  }
  yield* found.values();
}

/** Links that share have a bandwidth, and every node's zone a distance from the gateway's. */
export function* checkNetwork({ cluster }: Parts<"cluster">): Issues {
  const { network, nodes = [], gateway } = cluster;
  const links = network?.gbps !== undefined || nodes.some(({ gbps }) => gbps !== undefined);
  if (network?.links === "fair" && !links) {
    const message = "no bandwidth to share: neither the network nor a node gives `gbps`";
    yield issueAt("cluster.network.links", message);
  }
  yield* checkZones(network?.zones ?? [], nodes, gateway?.zone);
}

type Zones = NonNullable<NonNullable<ClusterDocument["network"]>["zones"]>;

function* checkZones(zones: Zones, nodes: Nodes, gatewayZone: string | undefined): Issues {
  const inhabited = new Set(
    [gatewayZone, ...nodes.map(({ zone }) => zone)].filter((zone) => zone !== undefined),
  );
  const pair = ([a, b]: readonly [string, string]): string => [a, b].sort().join(" and ");
  const pairs = zones.map(({ between }) => pair(between));
  for (const [index, { between }] of zones.entries()) {
    const at = `cluster.network.zones.${index}.between`;
    for (const [end, zone] of between.entries()) {
      if (inhabited.has(zone)) continue;
      const message = `neither a node nor the gateway stands in zone "${zone}"`;
      yield issueAt(`${at}.${end}`, message, didYouMean(zone, inhabited));
    }
    if (between[0] === between[1]) {
      yield issueAt(at, "one zone twice", "within a zone `network.rttMs` is the round trip");
    }
    if (pairs.indexOf(pairs[index]) < index) {
      yield issueAt(at, `${pairs[index]} have two distances`);
    }
  }
  for (const [index, { name, zone }] of nodes.entries()) {
    if (zone === gatewayZone) continue;
    const at = `cluster.nodes.${index}.zone`;
    if (zone === undefined || gatewayZone === undefined) {
      const who = zone === undefined ? `node ${name}` : "the gateway";
      const hint = "give a `zone` to the gateway and to every node, or to none";
      yield issueAt(at, `${who} stands in no zone, so it has no distance to others`, hint);
    } else if (!pairs.includes(pair([zone, gatewayZone]))) {
      const message = `no distance between ${pair([zone, gatewayZone])}, the gateway's zone`;
      const hint = `\`network: { zones: [{ between: [${zone}, ${gatewayZone}], rttMs: 5 }] }\``;
      yield issueAt(at, message, hint);
    }
  }
}
