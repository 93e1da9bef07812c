/** Checks of what devices hold and draw, and of links and zones. */

import { memoryNeed } from "../device-memory.ts";
import type { Issue } from "../fault.ts";
import { placeReplicas, tasksToPlace } from "../placement.ts";
import { didYouMean } from "./nearest.ts";
import { issueAt } from "./positions.ts";
import type { ClusterDocument, ScenarioDocument } from "./schema.ts";

type Nodes = NonNullable<ClusterDocument["nodes"]>;

/** Nobody draws less when busy than when idle. */
export function checkPower({ cluster }: Pick<ScenarioDocument, "cluster">): Issue[] {
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
}: Pick<ScenarioDocument, "pipelines" | "models" | "cluster">): Issue[] {
  const { nodes } = cluster;
  if (nodes === undefined) return [];
  const tasks = tasksToPlace({ pipelines, models });
  const modelOf = new Map(tasks.map(({ name, model }) => [name, model]));
  const { slots, replicas, nodes: machines } = placeReplicas(cluster, tasks);
  const found = new Map<string, Issue>();
  slots.forEach(({ node, kind }, slot) => {
    const { group, devices } = machines[node]!;
    const { memoryMb } = devices[kind]!;
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

/** Links that share have a bandwidth, and every node's zone a distance from the gateway's. */
export function checkNetwork({ cluster }: Pick<ScenarioDocument, "cluster">): Issue[] {
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
