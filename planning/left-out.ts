/** Clusters that a plan does not look at, and what in a scenario makes replicas of one machine depend on each other. */
import { isShared, memoryNeed, tasksToPlace } from "../scenario/compile/placement.ts";
import type { ClusterDocument, ScenarioDocument } from "../scenario/schema/scenario.ts";
import type { SimulationInputs } from "../sim/replication.ts";

/** Clusters that may be cheaper and are not searched; `library/plan-results.ts` has a sentence for each. */
export type NotSearched =
  | ("budget" | "batches" | "replicas")
  | ("colocation" | "sharing" | "scaling" | "variants");

/**
 * Besides `budget`, `batches` and `replicas`. `slowsDown`: whether replicas of one machine do so to each other; `scales`: whether
 * the plan's come and go; `hasCheaper`: whether some machines cost less than those found.
 */
export function notSearched(
  document: ScenarioDocument,
  slowsDown: boolean,
  scales: boolean,
  hasCheaper: boolean,
): readonly NotSearched[] {
  const { cluster, faults } = document;
  const { nodes = [], network } = cluster;
  const { random = [], scheduled = [] } = faults ?? {};
  const nodesFail = [...random, ...scheduled].some(({ node }) => node !== undefined);
  const shares = nodes.some(({ devices }) => Object.values(devices).some(isShared));
  const dependsOnNeighbours =
    slowsDown || (nodes.length > 0 && (nodesFail || network?.links === "fair"));
  const hasVariants = tasksToPlace(document).some(({ name, task }) => name !== task);
  return [
    ...(hasCheaper && dependsOnNeighbours ? ["colocation" as const] : []),
    ...(hasCheaper && shares ? ["sharing" as const] : []),
    ...(scales ? ["scaling" as const] : []),
    ...(hasCheaper && hasVariants ? ["variants" as const] : []),
  ];
}

/** Whether batches on one machine take each other's resources. */
export function shareResources({ cluster: { nodes = [] }, models }: ScenarioDocument): boolean {
  const demanded = Object.values(models).flatMap(({ demand = {} }) => Object.keys(demand));
  return nodes.some(({ resources = {} }) => demanded.some((name) => name in resources));
}

/** Whether replicas of one machine slow each other down. */
export function slowEachOther(
  { nodes = [] }: ClusterDocument,
  { overheadProfile }: SimulationInputs,
): boolean {
  const curves = [overheadProfile?.contention, ...nodes.map(({ contention }) => contention)];
  return curves.some((curve) => curve?.some((factor) => factor !== 1));
}

/**
 * Whether every slot may host a replica of each task that its device can run: slots are shared, and their
 * memory holds the models that are always there beside the largest other.
 */
export function canHostEverywhere(document: ScenarioDocument): boolean {
  const models = tasksToPlace(document).map(({ model }) => model);
  const { nodes = [] } = document.cluster;
  const devices = nodes.flatMap((node) => Object.values(node.devices));
  return (
    devices.length > 0 &&
    Object.values(document.pipelines).every(({ discipline }) => discipline === "per-task") &&
    devices.every((device) => {
      if (!isShared(device)) return false;
      const { memoryMb = Number.POSITIVE_INFINITY } = typeof device === "number" ? {} : device;
      return memoryNeed(models.filter((one) => one.memoryMb <= memoryMb)).totalMb <= memoryMb;
    })
  );
}
