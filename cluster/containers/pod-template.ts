/** The template of every pod of a deployment on Kubernetes, gateway or worker. */
import type { InventoryOf } from "../../scenario/inventory/schema.ts";
import { LIVE_SERVICE, type PlannedWorker, PORTS } from "./container-plan.ts";

export interface PodOptions {
  readonly image: string;
  readonly tag: string;
  /** Secrets for the images' registry. */
  readonly pullSecrets: readonly string[];
  /** The inventory's, by the scenario's kind of node. */
  readonly nodes: NonNullable<InventoryOf<"kubernetes">["nodes"]>;
  /** The extended resource of one GPU, unless its node names another. */
  readonly gpuResource: string;
}

/** A deployment, as far as all its pods share it. */
interface PodFrame {
  readonly options: PodOptions;
  readonly names: { readonly configuration: string };
  /** Digest of the configuration: pods start again when it changes. */
  readonly digest: string;
}

const USER = 10_001;
const CERTIFICATES = "/etc/tandem/certs";
const CONFIGURATION = "/etc/tandem/scenario";
/** Until its health answers, in seconds: a slow node is no dead process. */
const START_S = 120;
/** Time for requests in flight: longer than a process takes to end in order. */
const GRACE_S = 30;

/** A role adds these parts to the template of all pods. */
interface PodParts {
  readonly needs: Pick<PlannedWorker, "cpus" | "memoryGiB" | "gpu" | "nodeKind">;
  readonly labels: object;
  /** With its certificates. */
  readonly secret: string;
  readonly args?: readonly string[];
  readonly ports: readonly object[];
  readonly env?: readonly object[];
  readonly mounts: readonly object[];
  readonly volumes: readonly object[];
  readonly nodeSelector?: object;
}

/** Requests equal limits, so that a pod gets whole cores where the kubelet's policy is static. */
export function podTemplate({ names, options, digest }: PodFrame, role: string, parts: PodParts) {
  const { needs, args = [], env = [], nodeSelector = {} } = parts;
  const { gpus, tolerations } = options.nodes[needs.nodeKind ?? ""] ?? {};
  const resource = gpus ?? options.gpuResource;
  const { pullSecrets } = options;
  const amounts = {
    cpu: String(needs.cpus),
    memory: `${Math.round(needs.memoryGiB * 1024)}Mi`,
    ...(needs.gpu === null ? {} : { [resource]: "1" }),
  };
  const probe = (service: string) => ({ grpc: { port: PORTS.health, service } });
  const container = {
    name: role,
    image: `${options.image}-${role}:${options.tag}`,
    resources: { requests: amounts, limits: amounts },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    startupProbe: { ...probe(LIVE_SERVICE), periodSeconds: 1, failureThreshold: START_S },
    readinessProbe: { ...probe(""), periodSeconds: 2 },
    livenessProbe: { ...probe(LIVE_SERVICE), periodSeconds: 10, failureThreshold: 6 },
    args: [
      ...["--config", `${CONFIGURATION}/tandem.json`, "--certs", CERTIFICATES],
      ...["--health-port", String(PORTS.health), ...args],
    ],
    ports: [...parts.ports, { name: "health", containerPort: PORTS.health }],
    ...(env.length === 0 ? {} : { env }),
    volumeMounts: [
      { name: "configuration", mountPath: CONFIGURATION, readOnly: true },
      { name: "certs", mountPath: CERTIFICATES, readOnly: true },
      { name: "tmp", mountPath: "/tmp" },
      ...parts.mounts,
    ],
  };
  return {
    metadata: { labels: parts.labels, annotations: { "tandem/configuration": digest } },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: GRACE_S,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: USER,
        runAsGroup: USER,
        fsGroup: USER,
        seccompProfile: { type: "RuntimeDefault" },
      },
      ...(Object.keys(nodeSelector).length === 0 ? {} : { nodeSelector }),
      ...(tolerations === undefined ? {} : { tolerations }),
      ...(pullSecrets.length === 0
        ? {}
        : { imagePullSecrets: pullSecrets.map((name) => ({ name })) }),
      // One lost machine takes as few workers of a task as can be.
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: "kubernetes.io/hostname",
          whenUnsatisfiable: "ScheduleAnyway",
          labelSelector: { matchLabels: parts.labels },
        },
      ],
      containers: [container],
      volumes: [
        { name: "configuration", configMap: { name: names.configuration } },
        secretVolume("certs", parts.secret),
        ...parts.volumes,
        { name: "tmp", emptyDir: { medium: "Memory", sizeLimit: "64Mi" } },
      ],
    },
  };
}

export function secretVolume(name: string, secretName: string) {
  // Octal 0440: of root, and readable by the pod's group.
  return { name, secret: { secretName, defaultMode: 0o440 } };
}
