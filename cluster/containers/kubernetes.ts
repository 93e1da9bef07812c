/**
 * Kubernetes manifests: a Deployment with the gateway, a StatefulSet of workers for each task and kind
 * of node, Services, a ConfigMap with the scenario, and network policies. Secrets are named, never
 * written.
 */
import { createHash } from "node:crypto";
import type { Issue } from "../../engine/basics/fault.ts";
import { issueAt } from "../../scenario/reading/issues.ts";
import {
  type ContainerPlan,
  type ContainerWorker,
  labelOf,
  labelsOf,
  type PlannedWorker,
  PORTS,
} from "./container-plan.ts";
import { type PodOptions, podTemplate, secretVolume } from "./pod-template.ts";

export interface KubernetesOptions extends PodOptions {
  readonly scenario: string;
  /** Null: the one of the user's context. */
  readonly namespace: string | null;
  /** Whether a device plugin hands out one GPU several times. */
  readonly sharedGpus: boolean;
  /** PersistentVolumeClaim with the folders `models` and `scenario`; null: none. */
  readonly claim: string | null;
  /** Label of nodes whose value is the scenario's kind of node, unless that has a selector. */
  readonly nodeLabel: string;
  readonly tokens: boolean;
}

/** One StatefulSet: replicas of one task on one kind of node. */
interface WorkerSet {
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
    groups.set(key, [...(groups.get(key) ?? []), worker]);
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
      name: `${name}-${i}`,
      replicas,
      address: `${name}-${i}.${name}:${PORTS.worker}`,
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
  { workers, readsFolder, readsStore }: ContainerPlan,
  { sharedGpus, claim }: KubernetesOptions,
  configuration: string,
): Issue[] {
  const crowded = workers.filter(({ sharesGpu }) => sharesGpu && !sharedGpus);
  const names = crowded.flatMap(({ replicas }) => replicas).join(", ");
  const shared = issueAt(
    "cluster.nodes",
    `${names} share GPUs, and Kubernetes gives each pod GPUs of its own`,
    "set up time slicing or MIG in the device plugin, and name its resource: --shared-gpus --gpu-resource nvidia.com/gpu.shared",
  );
  const unclaimed = issueAt(
    "models",
    "workers read model files, and no volume holds them",
    "put the scenario's folder and the prepared models into a PersistentVolumeClaim as `scenario` and `models`, and give --claim NAME",
  );
  const bytes = Buffer.byteLength(configuration);
  const large = issueAt(
    "models",
    `scenario and profiles take ${bytes} bytes, and a ConfigMap holds ${LARGEST_CONFIGURATION}`,
    "use profiles with fewer samples or batch sizes",
  );
  return [
    ...(crowded.length > 0 ? [shared] : []),
    ...((readsFolder || readsStore) && claim === null ? [unclaimed] : []),
    ...(bytes > LARGEST_CONFIGURATION ? [large] : []),
  ];
}

/** An object of the Kubernetes API, as it goes into a file. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

const TOKENS = "/etc/tandem/tokens";
/** Longer than the gateway takes to look a name up again. */
const MIN_READY_S = 5;

export function kubernetesManifests(
  plan: ContainerPlan,
  sets: readonly WorkerSet[],
  options: KubernetesOptions,
  configuration: string,
): readonly Manifest[] {
  const names = kubernetesNames(options.scenario);
  const digest = createHash("sha256").update(configuration).digest("hex").slice(0, 16);
  const one: Rendering = { plan, options, names, digest };
  return [
    object(one, "v1 ConfigMap", names.configuration, { data: { "tandem.json": configuration } }),
    gatewayService(one),
    gatewayDeployment(one),
    ...sets.flatMap((set) => [
      headlessService(one, set),
      statefulSet(one, set),
      disruptionBudget(one, set),
    ]),
    workerPolicy(one),
    gatewayPolicy(one),
  ];
}

interface Rendering {
  readonly plan: ContainerPlan;
  readonly options: KubernetesOptions;
  readonly names: KubernetesNames;
  /** Digest of the configuration: pods start again when it changes. */
  readonly digest: string;
}

/** `type` is its API version and kind; `role` labels it as a part of the application. */
function object(
  { options, names }: Rendering,
  type: string,
  name: string,
  content: object,
  role?: string,
): Manifest {
  const [apiVersion, kind] = type.split(" ");
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(options.namespace === null ? {} : { namespace: options.namespace }),
      labels: { ...applicationLabels(names), ...(role === undefined ? {} : component(role)) },
    },
    ...content,
  };
}

function applicationLabels({ application }: KubernetesNames) {
  return { "app.kubernetes.io/name": "tandem", "app.kubernetes.io/instance": application };
}

const component = (role: string) => ({ "app.kubernetes.io/component": role });

function gatewayService(one: Rendering): Manifest {
  const spec = {
    selector: selectorOf(one, "gateway"),
    ports: [
      { name: "grpc", port: PORTS.grpc, targetPort: "grpc" },
      { name: "https", port: PORTS.http, targetPort: "https" },
    ],
  };
  return object(one, "v1 Service", one.names.gateway, { spec }, "gateway");
}

function gatewayDeployment(one: Rendering): Manifest {
  const { names, options, plan } = one;
  const labels = selectorOf(one, "gateway");
  const spec = {
    // One gateway decides: a second one beside it would schedule onto the same replicas.
    replicas: 1,
    strategy: { type: "Recreate" },
    selector: { matchLabels: labels },
    template: podTemplate(one, "gateway", {
      needs: { cpus: 1, memoryGiB: plan.gatewayMemoryGiB, gpu: null, nodeKind: null },
      labels,
      secret: names.gatewaySecret,
      args: options.tokens ? ["--tokens", `${TOKENS}/tokens.txt`] : [],
      ports: [
        { name: "grpc", containerPort: PORTS.grpc },
        { name: "https", containerPort: PORTS.http },
      ],
      mounts: options.tokens ? [{ name: "tokens", mountPath: TOKENS, readOnly: true }] : [],
      volumes: options.tokens ? [secretVolume("tokens", names.tokensSecret)] : [],
    }),
  };
  return object(one, "apps/v1 Deployment", names.gateway, { spec }, "gateway");
}

function headlessService(one: Rendering, { name }: WorkerSet): Manifest {
  const spec = {
    clusterIP: "None",
    // The gateway watches health by itself, and may look for a worker while it loads its model.
    publishNotReadyAddresses: true,
    selector: { ...applicationLabels(one.names), "tandem/workers": name },
    ports: [{ name: "grpc", port: PORTS.worker, targetPort: "grpc" }],
  };
  return object(one, "v1 Service", name, { spec }, "worker");
}

/** A drained node takes one worker of a set at a time. */
function disruptionBudget(one: Rendering, { name }: WorkerSet): Manifest {
  const selector = { matchLabels: { ...applicationLabels(one.names), "tandem/workers": name } };
  const spec = { maxUnavailable: 1, selector };
  return object(one, "policy/v1 PodDisruptionBudget", name, { spec }, "worker");
}

function statefulSet(one: Rendering, { name, workers }: WorkerSet): Manifest {
  const { names, options, plan } = one;
  const { claim, nodeLabel, nodes } = options;
  const [worker] = workers;
  const { nodeKind, environment } = worker;
  const labelled = nodeKind === null ? {} : { [nodeLabel]: nodeKind };
  const mount = (mountPath: string, subPath: string) => ({
    name: "files",
    mountPath,
    subPath,
    readOnly: true,
  });
  const mounts = [
    ...(plan.readsFolder ? [mount("/scenario", "scenario")] : []),
    ...(plan.readsStore ? [mount("/models/models", "models")] : []),
  ];
  const files = { persistentVolumeClaim: { claimName: claim, readOnly: true } };
  const own = { "tandem/workers": name };
  const spec = {
    serviceName: name,
    replicas: workers.length,
    podManagementPolicy: "Parallel",
    // A rolling update goes on once the gateway has found the last pod by its new address.
    minReadySeconds: MIN_READY_S,
    selector: { matchLabels: { ...applicationLabels(names), ...own } },
    template: podTemplate(one, "worker", {
      needs: worker,
      labels: { ...selectorOf(one, "worker"), ...own, "tandem/task": labelOf(worker.pool) },
      secret: names.workerSecret,
      ports: [{ name: "grpc", containerPort: PORTS.worker }],
      env: environment.map((key) => {
        const secretKeyRef = { name: names.modelTokensSecret, key };
        return { name: key, valueFrom: { secretKeyRef } };
      }),
      mounts,
      volumes: claim === null || mounts.length === 0 ? [] : [{ name: "files", ...files }],
      nodeSelector: nodes[nodeKind ?? ""]?.selector ?? labelled,
    }),
  };
  return object(one, "apps/v1 StatefulSet", name, { spec }, "worker");
}

/** Workers hear the gateway only. A kubelet's probes come from the pod's node, which is always let in. */
function workerPolicy(one: Rendering): Manifest {
  const from = { podSelector: { matchLabels: selectorOf(one, "gateway") } };
  return policy(one, `${one.names.application}-workers`, "worker", {
    ingress: [{ from: [from], ports: [tcp(PORTS.worker)] }],
    // An empty rule allows everything: models on other servers may be anywhere.
    egress: one.plan.callsOut ? [{}] : [],
  });
}

function gatewayPolicy(one: Rendering): Manifest {
  const to = { podSelector: { matchLabels: selectorOf(one, "worker") } };
  return policy(one, one.names.gateway, "gateway", {
    ingress: [{ ports: [tcp(PORTS.grpc), tcp(PORTS.http)] }],
    egress: [
      { to: [to], ports: [tcp(PORTS.worker)] },
      { ports: [{ protocol: "UDP", port: 53 }, tcp(53)] },
    ],
  });
}

const tcp = (port: number) => ({ protocol: "TCP", port });

function policy(one: Rendering, name: string, role: string, rules: object): Manifest {
  const podSelector = { matchLabels: selectorOf(one, role) };
  const spec = { podSelector, policyTypes: ["Ingress", "Egress"], ...rules };
  return object(one, "networking.k8s.io/v1 NetworkPolicy", name, { spec });
}

function selectorOf({ names }: Rendering, role: string) {
  return { ...applicationLabels(names), ...component(role) };
}
