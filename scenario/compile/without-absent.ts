/** A smaller cluster leaves a part of its scenario: checks refuse names of what no node has. */
import type { ClusterDocument, ScenarioDocument } from "../schema/scenario.ts";

type NodeDocument = NonNullable<ClusterDocument["nodes"]>[number];

/** Takes out faults of nodes, distances of zones, times on devices and demands of resources that the cluster lacks. */
export function withoutAbsent(document: ScenarioDocument): ScenarioDocument {
  const { cluster, faults } = document;
  const { nodes, network, gateway } = cluster;
  if (nodes === undefined) return document;
  const isHere = (fault: { readonly node?: string | undefined }): boolean =>
    fault.node === undefined || nodes.some(({ name }) => name === fault.node);
  const [random = [], scheduled = []] = [faults?.random, faults?.scheduled];
  const present = { random: random.filter(isHere), scheduled: scheduled.filter(isHere) };
  const ends = [gateway?.zone, ...nodes.map(({ zone }) => zone)];
  const between = network?.zones?.filter((one) => one.between.every((end) => ends.includes(end)));
  const zones = between?.length === 0 ? undefined : between;
  const has = (of: (node: NodeDocument) => object) => (named: object) =>
    Object.fromEntries(
      Object.entries(named).filter(([one]) => nodes.some((node) => one in of(node))),
    );
  const [timed, demanded] = [has(({ devices }) => devices), has(({ resources = {} }) => resources)];
  const models = Object.entries(document.models).map(([name, model]) => {
    const { profile, demand } = model;
    const present = typeof profile === "object" ? { profile: timed(profile) } : {};
    return [name, { ...model, ...present, ...(demand && { demand: demanded(demand) }) }];
  });
  return {
    ...document,
    models: Object.fromEntries(models),
    ...(faults && { faults: { ...faults, ...present } }),
    ...(network && { cluster: { ...cluster, network: { ...network, zones } } }),
  };
}
