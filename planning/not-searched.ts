/**
 * Clusters that a plan leaves out of its search and that may be cheaper than the one it found. The search
 * places replicas by the default rule, one a slot, on all slots of its machines, and pays for all of those.
 */
import { isShared } from "../core/placement.ts";
import { scalingChoices } from "../core/scenario/check-changes.ts";
import type { ClusterDocument, ScenarioDocument } from "../core/scenario/schema.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import { sum } from "./allocations.ts";
import type { Machines } from "./machines.ts";
import type { Problem, Search } from "./search.ts";

/**
 * - `trials`: shapes beyond the bound on trials
 * - `placement`: other choices of which task runs on which kind of node
 * - `colocation`: other choices of which replicas share a machine, where they slow each other down or fail together
 * - `sharing`: more than one replica on a shared slot
 * - `scaling`: more machines, of which scaling switches more off
 */
export type NotSearched = "trials" | "placement" | "colocation" | "sharing" | "scaling";

type Node = NonNullable<ClusterDocument["nodes"]>[number];

/** Empty: all that is cheaper was tried or ruled out. */
export function notSearched(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  { bounds, choices }: Pick<Problem<unknown>, "bounds" | "choices">,
  { found, proven }: Search<unknown>,
): readonly NotSearched[] {
  const { nodes = [], network } = document.cluster;
  const { random = [], scheduled = [] } = document.faults ?? {};
  const nodesFail = [...random, ...scheduled].some(({ node }) => node !== undefined);
  const curves = [inputs.overheadProfile?.contention, ...nodes.map((node) => node.contention)];
  const cheaper = choices.filter(({ cost }) => found === null || cost < found.machines.cost);
  const isMixed = (some: readonly Node[] = []): boolean => kindsOf(document, some, nodesFail) > 1;
  // One task alone takes all slots, if it may have as many replicas.
  const isChosen = ({ slots }: Machines): boolean =>
    bounds.high.length > 1 || slots > sum(bounds.high);
  const isLeftOut: Readonly<Record<NotSearched, boolean>> = {
    trials: !proven,
    placement: isMixed(nodes) && cheaper.some((one) => isChosen(one) && isMixed(one.nodes)),
    colocation:
      cheaper.length > 0 &&
      (curves.some((curve) => curve?.some((factor) => factor !== 1)) ||
        (nodes.length > 0 && (nodesFail || network?.links === "fair"))),
    sharing:
      cheaper.length > 0 && nodes.some(({ devices }) => Object.values(devices).some(isShared)),
    scaling: scalingChoices(document.scheduler).length > 0,
  };
  return (Object.keys(isLeftOut) as NotSearched[]).filter((name) => isLeftOut[name]);
}

/** Kinds of devices that differ in what they make of a task. */
function kindsOf({ models }: ScenarioDocument, nodes: readonly Node[], nodesFail: boolean): number {
  const byDevice = Object.values(models).some(({ profile }) => typeof profile === "object");
  const kinds = nodes.flatMap(({ name, devices, contention, zone, gbps }) =>
    Object.entries(devices).map(([kind, device]) => {
      const { speed, sharing } = typeof device === "number" ? { speed: 1 } : device;
      const own = [byDevice ? kind : "", nodesFail ? name : ""];
      return JSON.stringify([...own, speed, sharing, contention, zone, gbps]);
    }),
  );
  return new Set(kinds).size;
}
