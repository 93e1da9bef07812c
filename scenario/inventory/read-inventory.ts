/** Inventory text to a checked inventory, and its checks against a scenario. */
import type { Issue } from "../../engine/basics/fault.ts";
import { placesOf, placesOfAll } from "../compile/engines.ts";
import { placeReplicas, tasksToPlace } from "../compile/placement.ts";
import { readYaml } from "../reading/files.ts";
import { didYouMean, invalidInput, issueAt, noSuch, type Positions } from "../reading/issues.ts";
import { isMapping } from "../reading/set-path.ts";
import { DETAILED, describeZodIssues, shown } from "../reading/zod-issues.ts";
import type { Parts } from "../schema/scenario.ts";
import { type Inventory, inventorySchema } from "./schema.ts";

/** The sections that place replicas. */
type Placed = Parts<"cluster" | "pipelines" | "models">;
type WithMachines = Extract<Inventory, { machines: unknown }>;

/** Plain data: may be cloned. */
export interface LoadedInventory {
  readonly inventory: Inventory;
  /** The inventory file's path, as given: paths in it start at its folder. */
  readonly file: string;
  readonly positions: Positions;
}

/** Throws Fault("invalid-input") with all issues, each with its line. */
export function readInventory(text: string, file: string): LoadedInventory {
  const { value, positions, issues } = readYaml(text, file);
  if (issues.length > 0) throw invalidInput(file, issues, positions);
  if (!isMapping(value)) {
    const hint = "an inventory begins with `kind: local`, ssh, slurm or kubernetes";
    const message = `expected a mapping (key: value), got ${shown(value)}`;
    throw invalidInput(file, [{ ...issueAt("", message, hint), file, line: 1 }]);
  }
  if (value.kind === "docker") {
    const hint =
      "`tandem deploy compose SCENARIO` runs workers in containers, kind ssh on other machines";
    throw invalidInput(
      file,
      [issueAt("kind", "there is no kind docker any more", hint)],
      positions,
    );
  }
  const result = inventorySchema.safeParse(value, DETAILED);
  if (!result.success) {
    const found = describeZodIssues(result.error.issues, []);
    // Names are checked all the same, so that every issue comes at once.
    throw invalidInput(file, [...found, ...nameIssues(value)], positions);
  }
  const own = nameIssues(result.data);
  if (own.length > 0) throw invalidInput(file, own, positions);
  return { inventory: result.data, file, positions };
}

/** Nodes and gateway name machines that there are. */
function nameIssues({ machines, nodes, gateway }: Readonly<Record<string, unknown>>): Issue[] {
  if (!isMapping(machines)) return [];
  const known = Object.keys(machines);
  const issuesOf = (machine: unknown, at: string): Issue[] => {
    if (typeof machine !== "string" || known.includes(machine)) return [];
    return [issueAt(at, `no machine is called "${machine}"`, didYouMean(machine, known))];
  };
  const ofNodes = Object.entries(isMapping(nodes) ? nodes : {}).flatMap(([node, given]) => {
    if (!Array.isArray(given)) return issuesOf(given, `nodes.${node}`);
    return given.flatMap((machine, i) => issuesOf(machine, `nodes.${node}.${i}`));
  });
  return [...ofNodes, ...issuesOf(gateway, "gateway")];
}

/** Issues of an inventory with a scenario; their paths are the inventory's. */
export function checkInventory(
  { inventory }: Pick<LoadedInventory, "inventory">,
  document: Placed,
): Issue[] {
  const wanted = document.cluster.nodes;
  const nodes: Readonly<Record<string, unknown>> =
    "nodes" in inventory ? (inventory.nodes ?? {}) : {};
  if (inventory.kind === "local") return [];
  const known = (wanted ?? []).map(({ name }) => name);
  const issues = Object.keys(nodes)
    .filter((node) => !known.includes(node))
    .map((node) => {
      if (known.length > 0) return noSuch("node", `nodes.${node}`, node, known);
      const hint = "without `nodes` in either file, replicas take the machines in turn";
      return issueAt(`nodes.${node}`, `the scenario has no nodes, so none called "${node}"`, hint);
    });
  if (inventory.kind === "slurm" && ![undefined, FIRST, ...known].includes(inventory.gateway)) {
    issues.push(noSuch("node", "gateway", inventory.gateway as string, [FIRST, ...known]));
  }
  if (inventory.kind === "slurm") issues.push(...gresIssues(inventory, document));
  if (!("machines" in inventory)) return issues;
  for (const { name, count } of wanted ?? []) {
    const machines = inventory.nodes?.[name];
    const example = Array.from({ length: count }, (_, i) => `MACHINE${i + 1}`).slice(0, 3);
    const hint = `for example \`nodes: { ${name}: [${example.join(", ")}${count > 3 ? ", ..." : ""}] }\``;
    if (machines === undefined) {
      issues.push(issueAt("nodes", `node "${name}" has no machine: expected ${count}`, hint));
    } else if (machines.length < count) {
      const message = `node "${name}" has ${machines.length} of its ${count} machines`;
      issues.push(issueAt(`nodes.${name}`, message, hint));
    }
  }
  if (issues.length === 0) issues.push(...gatewayIssues(inventory, document));
  return [...issues, ...deviceIssues(inventory, document)];
}

/** Replicas take GPUs by their number, so that a machine must have as many as the last one says. */
function gresIssues(
  { nodes = {} }: Extract<Inventory, { kind: "slurm" }>,
  document: Placed,
): readonly Issue[] {
  if (document.cluster.nodes === undefined) return [];
  const places = replicaPlaces(document);
  return Object.entries(nodes).flatMap(([node, { gres = "" }]) => {
    const gpus = gres.split(",").find((one) => /^(gres[:/])?gpu\b/.test(one));
    const count = /:(\d+)$/.exec(gpus ?? "")?.[1] ?? "1";
    const needed = Math.max(0, ...places.map((one) => (one.node === node ? 1 + one.slot : 0)));
    if (gpus === undefined || needed <= Number(count)) return [];
    const message = `\`gres: ${gres}\` gives ${count} of the ${needed} GPUs that a machine's replicas use`;
    return [issueAt(`nodes.${node}.gres`, message, `for example \`gres: gpu:${needed}\``)];
  });
}

/** In place of a node's name: the first machine of a Slurm allocation. */
export const FIRST = "first";

/** The gateway's own machine must reach those of the workers: tunnels lead to this one. */
function gatewayIssues(inventory: WithMachines, document: Placed): Issue[] {
  const { gateway } = inventory;
  if (gateway === undefined) return [];
  const used = new Set(replicaPlaces(document).map((place) => machineFor(inventory, place)));
  const isReached = (name: string): boolean => inventory.reach === "direct" || name === gateway;
  const lost = [...used].filter((name) => !isReached(name)).join(", ");
  if (lost === "") return [];
  const message = `a gateway on ${gateway} has no tunnel to the workers on ${lost}`;
  const hint = "open `ports` of these machines to it: `reach: direct`";
  return [issueAt("gateway", message, hint)];
}

/**
 * A sentence for each machine of the inventory that no replica of the documents is on, as it may be there by
 * mistake.
 */
export function unusedMachines(
  { inventory, file }: Pick<LoadedInventory, "inventory" | "file">,
  documents: readonly Placed[],
): readonly string[] {
  if (!("machines" in inventory)) return [];
  const used = new Set(
    documents.flatMap((document) => [
      ...replicaPlaces(document).map((place) => machineFor(inventory, place)),
      ...(document.cluster.nodes ?? []).flatMap(
        ({ name, count }) => inventory.nodes?.[name]?.slice(0, count) ?? [],
      ),
    ]),
  );
  return Object.keys(inventory.machines)
    .filter((name) => !used.has(name) && name !== inventory.gateway)
    .map((name) => {
      const [node] =
        Object.entries(inventory.nodes ?? {}).find(([, all]) => all.includes(name)) ?? [];
      const why = node === undefined ? "" : `: node "${node}" of the scenario has fewer machines`;
      return `${file}: ${name} is not used${why}`;
    });
}

/** A machine that lists the slots of a kind of device lists at least those that the node has. */
function deviceIssues(inventory: WithMachines, { cluster }: Placed): Issue[] {
  const issues = new Map<string, Issue>();
  for (const { name, devices } of cluster.nodes ?? []) {
    for (const machine of inventory.nodes?.[name] ?? []) {
      const listed = inventory.machines[machine]?.devices;
      for (const [kind, device] of Object.entries(devices)) {
        const slots = typeof device === "number" ? device : device.slots;
        const own = listed?.[kind]?.length;
        if (own === undefined || own >= slots) continue;
        const at = `machines.${machine}.devices.${kind}`;
        const message = `${own} of the ${slots} slots that node "${name}" has of ${kind}`;
        issues.set(
          at,
          issueAt(at, message, "an entry for each slot, e.g. [{ gpu: 0 }, { gpu: 1 }]"),
        );
      }
    }
  }
  return [...issues.values()];
}

/** Where a replica goes: a machine of a node of the scenario, and a slot there. */
export interface ReplicaPlace {
  /** The replica's number. */
  readonly replica: number;
  /** The node's name in the scenario, and the machine's number among its `count`, from 0. */
  readonly node: string;
  readonly number: number;
  /** Kind of device, and the slot's number among those of its kind on the machine, from 0. */
  readonly device: string;
  readonly slot: number;
}

/** The places of a scenario's replicas, in the order of the compiled system's. */
export function replicaPlaces(document: Placed): readonly ReplicaPlace[] {
  const tasks = tasksToPlace(document);
  const { nodes, replicas, slots } = placeReplicas(document.cluster, tasks);
  const ordered = tasks.flatMap(({ name, model }) =>
    placesOfAll(
      replicas.filter(({ task }) => task === name),
      placesOf(document.models[model.name]),
    ),
  );
  const numbers = nodes.map(
    ({ group }, i) => nodes.slice(0, i).filter((other) => other.group === group).length,
  );
  return ordered.map(({ node, device, slot }, replica) => ({
    replica,
    node: nodes[node].group,
    number: numbers[node],
    device,
    slot: slots[slot].number - 1,
  }));
}

/**
 * The inventory's machine for a place. Without nodes in the scenario, neighbours take different machines.
 * The inventory has passed `checkInventory`.
 */
export function machineFor(
  { machines, nodes }: WithMachines,
  { replica, node, number }: ReplicaPlace,
): string {
  const names = Object.keys(machines);
  return nodes?.[node]?.[number] ?? names[replica % names.length];
}

/** The numbers in a set of cores such as `0-2,5`. */
export function coresIn(cores: string): readonly number[] {
  return cores.split(",").flatMap((part) => {
    const [first, last = first] = part.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}
