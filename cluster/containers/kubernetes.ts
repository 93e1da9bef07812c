/**
 * Kubernetes manifests: a Deployment with the gateway, a StatefulSet of workers for each task and kind
 * of node, Services, a ConfigMap with the scenario, and network policies. Secrets are named, never
 * written.
 */
import { createHash } from "node:crypto";
import { type ContainerPlan, labelOf, type PlannedWorker } from "./container-plan.ts";
import { LIVE_SERVICE } from "./health-report.ts";
import {
  type KubernetesNames,
  type KubernetesOptions,
  kubernetesNames,
  type WorkerSet,
} from "./kubernetes-plan.ts";
import { PORTS } from "./service-configuration.ts";

/** An object of the Kubernetes API, as it goes into a file. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

const USER = 10_001;
const CERTIFICATES = "/etc/tandem/certs";
const TOKENS = "/etc/tandem/tokens";
const CONFIGURATION = "/etc/tandem/scenario";
/** Time for requests in flight: longer than a process takes to end in order. */
const GRACE_S = 30;

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
    ...sets.flatMap((set) => [headlessService(one, set), statefulSet(one, set)]),
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
  const container = {
    ...containerOf(one, "gateway", {
      ...{ cpus: 1, memoryGiB: plan.gatewayMemoryGiB, gpu: null, nodeKind: null },
    }),
    args: [...commonArguments(), ...(options.tokens ? ["--tokens", `${TOKENS}/tokens.txt`] : [])],
    ports: [
      { name: "grpc", containerPort: PORTS.grpc },
      { name: "https", containerPort: PORTS.http },
      { name: "health", containerPort: PORTS.health },
    ],
    volumeMounts: [
      ...commonMounts(),
      ...(options.tokens ? [{ name: "tokens", mountPath: TOKENS, readOnly: true }] : []),
    ],
  };
  const spec = {
    // One gateway decides: a second one beside it would schedule onto the same replicas.
    replicas: 1,
    strategy: { type: "Recreate" },
    selector: { matchLabels: labels },
    template: podTemplate(one, labels, container, [
      ...commonVolumes(one, names.gatewaySecret),
      ...(options.tokens ? [secretVolume("tokens", names.tokensSecret)] : []),
    ]),
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

function statefulSet(one: Rendering, { name, workers }: WorkerSet): Manifest {
  const { names, options, plan } = one;
  const [worker] = workers;
  const labels = {
    ...selectorOf(one, "worker"),
    ...{ "tandem/workers": name, "tandem/task": labelOf(worker.pool) },
  };
  const container = {
    ...containerOf(one, "worker", worker),
    args: commonArguments(),
    ports: [
      { name: "grpc", containerPort: PORTS.worker },
      { name: "health", containerPort: PORTS.health },
    ],
    ...(worker.environment.length === 0
      ? {}
      : { env: worker.environment.map((key) => tokenVariable(names, key)) }),
    volumeMounts: [...commonMounts(), ...modelMounts(plan)],
  };
  const volumes = [
    ...commonVolumes(one, names.workerSecret),
    ...(options.claim === null || modelMounts(plan).length === 0
      ? []
      : [{ name: "files", persistentVolumeClaim: { claimName: options.claim, readOnly: true } }]),
  ];
  const { nodeKind } = worker;
  const labelled = nodeKind === null ? {} : { [options.nodeLabel]: nodeKind };
  const { selector = labelled } = options.nodes[nodeKind ?? ""] ?? {};
  const spec = {
    serviceName: name,
    replicas: workers.length,
    podManagementPolicy: "Parallel",
    selector: { matchLabels: { ...applicationLabels(names), "tandem/workers": name } },
    template: podTemplate(one, labels, container, volumes, selector),
  };
  return object(one, "apps/v1 StatefulSet", name, { spec }, "worker");
}

function podTemplate(
  { digest }: Rendering,
  labels: object,
  container: object,
  volumes: readonly object[],
  nodeSelector: object = {},
) {
  return {
    metadata: { labels, annotations: { "tandem/configuration": digest } },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: GRACE_S,
      securityContext: {
        ...{ runAsNonRoot: true, runAsUser: USER, runAsGroup: USER, fsGroup: USER },
        seccompProfile: { type: "RuntimeDefault" },
      },
      ...(Object.keys(nodeSelector).length === 0 ? {} : { nodeSelector }),
      containers: [container],
      volumes: [...volumes, { name: "tmp", emptyDir: { medium: "Memory", sizeLimit: "64Mi" } }],
    },
  };
}

/** Requests equal limits, so that a pod gets whole cores where the kubelet's policy is static. */
function containerOf(
  { options }: Rendering,
  role: string,
  {
    cpus,
    memoryGiB,
    gpu,
    nodeKind,
  }: Pick<PlannedWorker, "cpus" | "memoryGiB" | "gpu" | "nodeKind">,
) {
  const resource = options.nodes[nodeKind ?? ""]?.gpus ?? options.gpuResource;
  const amounts = {
    cpu: String(cpus),
    memory: `${Math.round(memoryGiB * 1024)}Mi`,
    ...(gpu === null ? {} : { [resource]: "1" }),
  };
  const probe = (service: string) => ({ grpc: { port: PORTS.health, service } });
  return {
    name: role,
    image: `${options.image}-${role}:${options.tag}`,
    resources: { requests: amounts, limits: amounts },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    readinessProbe: { ...probe(""), periodSeconds: 2 },
    livenessProbe: { ...probe(LIVE_SERVICE), periodSeconds: 10, failureThreshold: 6 },
  };
}

function commonArguments(): readonly string[] {
  return [
    ...["--config", `${CONFIGURATION}/tandem.json`, "--certs", CERTIFICATES],
    ...["--health-port", String(PORTS.health)],
  ];
}

function commonMounts() {
  return [
    { name: "configuration", mountPath: CONFIGURATION, readOnly: true },
    { name: "certs", mountPath: CERTIFICATES, readOnly: true },
    { name: "tmp", mountPath: "/tmp" },
  ];
}

function commonVolumes({ names }: Rendering, secret: string) {
  return [
    { name: "configuration", configMap: { name: names.configuration } },
    secretVolume("certs", secret),
  ];
}

function secretVolume(name: string, secretName: string) {
  // Octal 0440: of root, and readable by the pod's group.
  return { name, secret: { secretName, defaultMode: 0o440 } };
}

function modelMounts({ readsFolder, readsStore }: ContainerPlan) {
  const mount = (mountPath: string, subPath: string) => ({
    ...{ name: "files", mountPath, subPath, readOnly: true },
  });
  return [
    ...(readsFolder ? [mount("/scenario", "scenario")] : []),
    ...(readsStore ? [mount("/models/models", "models")] : []),
  ];
}

function tokenVariable({ modelTokensSecret }: KubernetesNames, key: string) {
  return { name: key, valueFrom: { secretKeyRef: { name: modelTokensSecret, key } } };
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
