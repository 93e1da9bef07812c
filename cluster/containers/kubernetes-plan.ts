/**
 * The plan's workers as Kubernetes has them: pods of StatefulSets, by names that DNS and certificates
 * know; and everything of the plan that Kubernetes cannot run.
 */
import type { Issue } from "../../core/fault.ts";
import type { InventoryOf } from "../../core/inventory/schema.ts";
import { issueAt } from "../../core/scenario/issues.ts";
import { type ContainerPlan, labelOf, labelsOf, type PlannedWorker } from "./container-plan.ts";
import { type ContainerWorker, PORTS } from "./service-configuration.ts";

export interface KubernetesOptions {
  readonly scenario: string;
  readonly image: string;
  readonly tag: string;
  /** Null: the one of the user's context. */
  readonly namespace: string | null;
  /** The inventory's, by the scenario's kind of node. */
  readonly nodes: NonNullable<InventoryOf<"kubernetes">["nodes"]>;
  /** The extended resource of one GPU, unless its node names another. */
  readonly gpuResource: string;
  /** Whether a device plugin hands out one GPU several times. */
  readonly sharedGpus: boolean;
  /** PersistentVolumeClaim with the folders `models` and `scenario`; null: none. */
  readonly claim: string | null;
  /** Label of nodes whose value is the scenario's kind of node, unless that has a selector. */
  readonly nodeLabel: string;
  readonly tokens: boolean;
}

/** One StatefulSet: replicas of one task on one kind of node. */
export interface WorkerSet {
  readonly name: string;
  readonly workers: readonly PlannedWorker[];
}

/** Longest file that a ConfigMap takes, bytes. */
const LARGEST_CONFIGURATION = 1_000_000;

/** Names that everything else refers to. */
export function kubernetesNames(scenario: string) {
  const application = labelOf(scenario);
  return {
    application,
    gateway: `${application}-gateway`,
    configuration: `${application}-scenario`,
    gatewaySecret: `${application}-gateway-tls`,
    workerSecret: `${application}-worker-tls`,
    tokensSecret: `${application}-tokens`,
    modelTokensSecret: `${application}-model-tokens`,
  };
}

export type KubernetesNames = ReturnType<typeof kubernetesNames>;

/** Workers by task, kind of node and device: what one template can describe. */
export function workerSets(plan: ContainerPlan, { scenario }: KubernetesOptions): WorkerSet[] {
  const groups = new Map<string, PlannedWorker[]>();
  for (const worker of plan.workers) {
    const key = [worker.pool, worker.nodeKind ?? "", worker.device, worker.gpu !== null].join("/");
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [worker]);
    else group.push(worker);
  }
  const all = [...groups.values()];
  const application = labelOf(scenario);
  const wanted = all.map(([{ pool, nodeKind, device }]) => {
    const alike = all.filter(([one]) => one.pool === pool && one.nodeKind === nodeKind);
    const parts = [application, pool, nodeKind ?? "", alike.length > 1 ? device : ""];
    return parts.filter((part) => part !== "").join("-");
  });
  const names = labelsOf(wanted, [`${application}-gateway`]);
  return all.map((workers, i) => ({ name: names[i], workers }));
}

/** The workers as the gateway reaches them: pods of a StatefulSet by their number. */
export function podWorkers(sets: readonly WorkerSet[]): readonly ContainerWorker[] {
  return sets.flatMap(({ name, workers }) =>
    workers.map(({ replicas }, i) => ({
      ...{ name: `${name}-${i}`, replicas, address: `${name}-${i}.${name}:${PORTS.worker}` },
    })),
  );
}

/** Names for the certificates of gateway and workers. */
export function podHosts(
  { gateway }: KubernetesNames,
  workers: readonly ContainerWorker[],
  namespace: string | null,
): readonly string[] {
  const spaces = ["", `.${namespace ?? "default"}`, `.${namespace ?? "default"}.svc`];
  return [
    ...spaces.map((space) => `${gateway}${space}`),
    ...workers.map(({ address }) => address.split(":")[0]),
  ];
}

/** Everything that Kubernetes cannot run of the plan. */
export function kubernetesIssues(
  plan: ContainerPlan,
  options: KubernetesOptions,
  configuration: string,
): Issue[] {
  const issues: Issue[] = [];
  const crowded = plan.workers.filter(({ sharesGpu }) => sharesGpu);
  if (crowded.length > 0 && !options.sharedGpus) {
    const names = crowded.flatMap(({ replicas }) => replicas).join(", ");
    issues.push(
      issueAt(
        "cluster.nodes",
        `${names} share GPUs, and Kubernetes gives each pod GPUs of its own`,
        "set up time slicing or MIG in the device plugin, and name its resource: --shared-gpus --gpu-resource nvidia.com/gpu.shared",
      ),
    );
  }
  if ((plan.readsFolder || plan.readsStore) && options.claim === null) {
    issues.push(
      issueAt(
        "models",
        "workers read model files, and no volume holds them",
        "put the scenario's folder and the prepared models into a PersistentVolumeClaim as `scenario` and `models`, and give --claim NAME",
      ),
    );
  }
  const bytes = Buffer.byteLength(configuration);
  if (bytes > LARGEST_CONFIGURATION) {
    const message = `scenario and profiles take ${bytes} bytes, and a ConfigMap holds ${LARGEST_CONFIGURATION}`;
    issues.push(issueAt("models", message, "use profiles with fewer samples or batch sizes"));
  }
  return issues;
}
