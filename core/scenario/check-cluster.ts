/** Checks of replicas against tasks, device slots and placement. */
import type { Issue } from "../fault.ts";
import { noSuchTask } from "./check-pipelines.ts";
import { reachable } from "./graph.ts";
import { didYouMean } from "./nearest.ts";
import { issueAt } from "./positions.ts";
import type { ClusterDocument, ScenarioDocument } from "./schema.ts";

type Nodes = NonNullable<ClusterDocument["nodes"]>;
type Placement = NonNullable<ClusterDocument["placement"]>;

/** Every task that a request can reach has a replica, and no replica serves an unknown task. */
export function checkReplicas({
  pipelines,
  cluster,
}: Pick<ScenarioDocument, "pipelines" | "cluster">): Issue[] {
  const names = new Set(Object.values(pipelines).flatMap(({ tasks }) => Object.keys(tasks)));
  const issues = Object.keys(cluster.replicas)
    .filter((name) => !names.has(name))
    .map((name) => noSuchTask(`cluster.replicas.${name}`, name, names));
  const needed = new Map<string, string>();
  for (const { discipline, tasks } of Object.values(pipelines)) {
    const reached = reachable(tasks);
    for (const name of Object.keys(tasks)) {
      if (reached.has(name)) needed.set(name, "requests can reach it");
      else if (discipline === "pipeline-held") needed.set(name, "a held request holds every task");
    }
  }
  for (const [name, why] of needed) {
    const replicas = Object.hasOwn(cluster.replicas, name) ? cluster.replicas[name] : undefined;
    if (replicas !== undefined && replicas > 0) continue;
    const got = replicas === undefined ? "no entry" : "0";
    const message = `task "${name}" needs at least 1 replica (${why}), got ${got}`;
    issues.push(issueAt(`cluster.replicas.${name}`, message));
  }
  return issues;
}

/** Slots of a node over all its machines; Infinity when a device may host any number. */
function slotsOf(node: Nodes[number], kind: string): number {
  const device = node.devices[kind]!;
  if (typeof device === "number") return device * node.count;
  return device.shared ? Number.POSITIVE_INFINITY : device.slots * node.count;
}

/** Nodes have distinct names and enough slots for the replicas, as spread or as placed. */
export function checkSlots({ cluster }: Pick<ScenarioDocument, "cluster">): Issue[] {
  const { nodes, placement } = cluster;
  if (nodes === undefined) {
    const message = "a placement needs `nodes` to place replicas on";
    return placement === undefined ? [] : [issueAt("cluster.placement", message)];
  }
  const issues: Issue[] = [];
  nodes.forEach((node, index) => {
    const at = `cluster.nodes[${index}]`;
    if (nodes.findIndex((other) => other.name === node.name) < index) {
      issues.push(issueAt(`${at}.name`, `two nodes are called "${node.name}"`));
    }
    if (Object.keys(node.devices).length === 0) {
      issues.push(issueAt(`${at}.devices`, "no device: expected at least one"));
    }
  });
  if (placement !== undefined) return [...issues, ...checkPlacement(cluster, nodes, placement)];
  const slots = sum(
    nodes.flatMap((node) => Object.keys(node.devices).map((kind) => slotsOf(node, kind))),
  );
  const replicas = sum(Object.values(cluster.replicas));
  if (replicas > slots) issues.push(tooFew("cluster.replicas", replicas, slots, "the nodes have"));
  return issues;
}

function checkPlacement(cluster: ClusterDocument, nodes: Nodes, placement: Placement): Issue[] {
  const issues: Issue[] = [];
  placement.forEach((entry, index) => {
    const at = `cluster.placement[${index}]`;
    const node = nodes.find((candidate) => candidate.name === entry.node);
    if (!Object.hasOwn(cluster.replicas, entry.task)) {
      issues.push(noSuchTask(`${at}.task`, entry.task, Object.keys(cluster.replicas)));
    }
    if (node === undefined) {
      const hint = didYouMean(
        entry.node,
        nodes.map((candidate) => candidate.name),
      );
      issues.push(issueAt(`${at}.node`, `no node is called "${entry.node}"`, hint));
    } else if (entry.device !== undefined && !Object.hasOwn(node.devices, entry.device)) {
      const hint = didYouMean(entry.device, Object.keys(node.devices));
      const message = `node ${node.name} has no device of kind "${entry.device}"`;
      issues.push(issueAt(`${at}.device`, message, hint));
    }
  });
  for (const [task, replicas] of Object.entries(cluster.replicas)) {
    const entries = placement.filter((entry) => entry.task === task);
    const count = sum(entries.map((entry) => entry.replicas));
    if (count === replicas) continue;
    const message = `task "${task}" has ${replicas} replicas, but ${count} are placed`;
    issues.push(issueAt("cluster.placement", message, "the two counts must be equal"));
  }
  return [...issues, ...checkPlacedSlots(nodes, placement)];
}

function checkPlacedSlots(nodes: Nodes, placement: Placement): Issue[] {
  return nodes.flatMap((node) => {
    const here = placement.filter((entry) => entry.node === node.name);
    const kinds = Object.keys(node.devices);
    const full = kinds.flatMap((kind) => {
      const used = sum(here.filter((e) => e.device === kind).map((e) => e.replicas));
      const slots = slotsOf(node, kind);
      if (used <= slots) return [];
      return [tooFew("cluster.placement", used, slots, `${kind} of node ${node.name} has`)];
    });
    if (full.length > 0) return full;
    const used = sum(here.map((entry) => entry.replicas));
    const slots = sum(kinds.map((kind) => slotsOf(node, kind)));
    if (used <= slots) return [];
    return [tooFew("cluster.placement", used, slots, `node ${node.name} has`)];
  });
}

function tooFew(at: string, replicas: number, slots: number, who: string): Issue {
  const message = `${replicas} replicas, but ${who} ${slots} device ${slots === 1 ? "slot" : "slots"}`;
  return issueAt(at, message, "add nodes or slots, or declare the device `shared: true`");
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
