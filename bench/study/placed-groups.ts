/**
 * AlpaServe as its placement makes it. Its mechanism is a search before the run, so an arm is a cluster too: the shared
 * devices are those of one machine, as groups do not span machines, and models stay where the search puts them. All of
 * the machine is down where one of the field's three is.
 */
import { isDeepStrictEqual } from "node:util";
import { finished } from "../../engine/basics/iterables.ts";
import { searchGroups, USUAL_SEARCH } from "../../planning/device-groups.ts";
import type { Case } from "../../results/which-scheduler.ts";
import { checkedSweep } from "../../scenario/expand-sweep.ts";
import { parseScenario } from "../../scenario/parse.ts";
import type { Arm } from "./arms.ts";
import { CASE_FILES, caseDocument, loadPoint, WINDOWS } from "./cases.ts";
import type { Sections } from "./claim.ts";

/** By arm: the most devices of a group. With one it is selective replication: the ablation of `arms.ts`. */
const LARGEST = { "alpaserve, placed": 2, "alpaserve, placed on single devices": 1 };

/**
 * The placements are found on the arrivals of the search of settings, at this share of the capacity. Where the best groups
 * are single devices, there is one arm.
 */
export function placedArms(one: Case, load: number): readonly Arm[] {
  if (one.devices === "own") return [];
  const plays = 1;
  const document = caseDocument(one, 2, plays);
  const { cluster } = document as { readonly cluster: { readonly nodes: readonly Sections[] } };
  const [{ count, devices, ...node }] = cluster.nodes;
  const [[device, entry]] = Object.entries(devices as Readonly<Record<string, Sections>>);
  const { sharing: _, ...own } = entry;
  const machine = {
    ...{ ...node, name: "gpu-2", costPerHour: count },
    devices: { [device]: { ...own, slots: count } },
  };
  const models = Object.keys(document.models as Sections);
  const residency = Object.fromEntries(
    models.map((name) => [`models.${name}.residency`, "always"]),
  );
  const point = {
    cluster: { nodes: [machine], replicas: Object.fromEntries(models.map((name) => [name, 1])) },
    ...residency,
    ...loadPoint(one, plays, load, WINDOWS - 1),
  };
  const text = JSON.stringify({ ...document, sweep: { points: [point] } });
  const read = (path: string): string => CASE_FILES[path.replace(/^.*\//, "")] ?? "";
  const loaded = parseScenario(text, "field/case/scenario.yaml", read);
  const { document: scenario } = checkedSweep(loaded).at(0);
  const arms = Object.entries(LARGEST).map(([name, largest]): Arm => {
    const search = { ...USUAL_SEARCH, replications: 1, largest };
    const [found] = finished(searchGroups(scenario, loaded, search));
    const paths = { cluster: found.document.cluster, ...residency };
    return { name, kind: "ablation", scheduler: "alpaserve", paths };
  });
  return isDeepStrictEqual(arms[0].paths, arms[1].paths) ? [arms[0]] : arms;
}
