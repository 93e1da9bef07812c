/** Machines that can hold no replica of any task: a plan leaves them alone, and says so before it searches. */
import { type TaskToPlace, tasksToPlace } from "../compile/placement.ts";
import type { ClusterDocument, ScenarioDocument } from "../schema/scenario.ts";

type NodeDocument = NonNullable<ClusterDocument["nodes"]>[number];

/** Each kind as a sentence with the figures that are missing. */
export function uselessMachines(document: ScenarioDocument): readonly string[] {
  const models = tasksToPlace(document).map(({ model }) => model);
  const distinct = [...new Map(models.map((model) => [model.name, model])).values()];
  return (document.cluster.nodes ?? []).flatMap((node) => {
    const lacks = distinct.map((model) => lackOf(node, model, document.models[model.name].profile));
    if (lacks.includes(null)) return [];
    return [`machines "${node.name}" can hold no replica: ${lacks.join("; ")}`];
  });
}

export function memoryOf(device: NodeDocument["devices"][string]): number {
  return (typeof device === "number" ? undefined : device.memoryMb) ?? Number.POSITIVE_INFINITY;
}

/** Says what the machine lacks for the model; null where it can hold one. */
function lackOf(
  { devices, resources }: NodeDocument,
  { name, memoryMb, demand = {} }: TaskToPlace["model"],
  profile: ScenarioDocument["models"][string]["profile"],
): string | null {
  // A machine without resources has no limits.
  const short = Object.entries(resources === undefined ? {} : demand).flatMap(
    ([resource, amount]) => {
      const has = resources?.[resource] ?? 0;
      return amount > has ? [`${amount} ${resource} of ${has}`] : [];
    },
  );
  if (short.length > 0) return `a batch of ${name} takes ${short.join(" and ")}`;
  const timed = Object.entries(devices).filter(([device]) => {
    return typeof profile !== "object" || device in profile;
  });
  if (timed.length === 0) return `${name} has no profile for ${Object.keys(devices).join(", ")}`;
  const mostMb = Math.max(...timed.map(([, device]) => memoryOf(device)));
  return memoryMb <= mostMb ? null : `${name} takes ${memoryMb} MB, and a slot has ${mostMb} MB`;
}
