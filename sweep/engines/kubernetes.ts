/** Shards as indexes of Kubernetes Indexed Jobs, given to kubectl. */
import { statSync, writeFileSync } from "node:fs";
import { isAbsolute, join, relative } from "node:path";
import type { Job } from "kubernetes-types/batch/v1.js";
import type { Pod } from "kubernetes-types/core/v1.js";
import { stringify } from "yaml";
import { Fault } from "../../engine/basics/fault.ts";
import type { InventoryOf } from "../../scenario/inventory/schema.ts";
import { makeFolder } from "../atomic-file.ts";
import {
  arrayOptions,
  ask,
  type Engine,
  type Finished,
  LONGEST_LIST,
  listText,
  MOST_RETRIES,
  NEVER_RETRIED,
  type ShardCommand,
  type TasksLeft,
} from "./engine.ts";

export type KubernetesSettings = Pick<
  InventoryOf<"kubernetes">,
  "context" | "namespace" | "image" | "pullSecrets" | "claim" | "mounted" | "throttle"
>;

const MISSING = "install kubectl, or apply the file yourself and run `tandem gather` afterwards";
/** In the pods. */
const MOUNT = "/sweep";
const DEFAULT_PARALLELISM = 100;
/** Logs of pods stay for a day. */
const KEPT_S = 86_400;

export function kubernetes(settings: KubernetesSettings): Engine {
  const { namespace, context } = settings;
  const common = [
    `--namespace=${namespace}`,
    ...(context === undefined ? [] : ["--context", context]),
  ];
  const kubectl = async (words: readonly string[], file?: string): Promise<Finished> => {
    const yourself = `or apply ${file} yourself, and \`tandem gather\` afterwards`;
    const missing = file === undefined ? MISSING : `install kubectl, ${yourself}`;
    const said = await ask("kubectl", [...common, ...words], { missing });
    if (said.code === 0) return said;
    const [message] = said.stderr.trim().split("\n").slice(-1);
    const more = file === undefined ? "" : `; ${yourself}`;
    const hint = `\`kubectl cluster-info\` says whether there is a cluster${more}`;
    throw new Fault("cluster-failure", `kubectl: ${message}`, { hint });
  };
  return {
    mostTasks: async () => LONGEST_LIST,
    submit: async (command, shards) => {
      const id = `${command.name}-${Date.now().toString(36)}`;
      const file = join(command.out, "jobs", `${id}.yaml`);
      makeFolder(join(command.out, "jobs"));
      writeFileSync(file, stringify(indexedJob(settings, command, id, shards)));
      await kubectl(["apply", "-f", file], file);
      return { id, shards: listText(shards) };
    },
    left: async (jobs) => {
      let running = 0;
      let waiting = 0;
      let reason: string | undefined;
      for (const { id } of jobs) {
        const words = ["get", "job", id, "--ignore-not-found", "--output=json"];
        const tasks = tasksOf((await kubectl(words)).stdout);
        running += tasks.running;
        waiting += tasks.waiting;
        if (tasks.waiting === 0 || reason !== undefined) continue;
        const pods = ["get", "pods", "--selector", `job-name=${id}`, "--output=json"];
        reason = waitingReason((await kubectl(pods)).stdout);
      }
      return { running, waiting, reason };
    },
    cancel: async (jobs) => {
      for (const { id } of jobs) await kubectl(["delete", "job", id, "--ignore-not-found"]);
    },
  };
}

function tasksOf(text: string): TasksLeft {
  if (text.trim() === "") return { running: 0, waiting: 0 };
  const { spec, status = {} } = JSON.parse(text) as Job;
  const ended = (status.conditions ?? []).some(
    ({ type, status: state }) => /^(Complete|Failed)$/.test(type) && state === "True",
  );
  if (ended) return { running: 0, waiting: 0 };
  // A pod that waits for its machine or image is active, and not ready.
  const { active = 0, ready: running = active, succeeded = 0 } = status;
  return { running, waiting: Math.max(0, (spec?.completions ?? 0) - succeeded - running) };
}

/** The first reason among pods that do not start: no machine has room, or there is no image. */
function waitingReason(text: string): string | undefined {
  const { items } = JSON.parse(text) as { readonly items: readonly Pod[] };
  const told = items.flatMap(({ status = {} }) => [
    ...(status.containerStatuses ?? []).flatMap(({ state }) => state?.waiting ?? []),
    ...(status.conditions ?? []).filter(
      ({ type, status: holds }) => type === "PodScheduled" && holds === "False",
    ),
  ]);
  const first = told.find(({ reason }) => reason !== undefined && reason !== "ContainerCreating");
  return first && [first.reason, first.message].filter((part) => part !== undefined).join(": ");
}

/**
 * A `batch/v1` Job, whose completion index selects the shard. Needs Kubernetes 1.29 or later
 * (`backoffLimitPerIndex`). Throws Fault("usage") where a path is not on the claim's volume.
 */
export function indexedJob(
  { namespace, image, pullSecrets, claim, mounted, throttle }: KubernetesSettings,
  command: ShardCommand,
  id: string,
  shards: readonly number[],
): Job {
  if (claim === undefined) {
    throw new Fault("usage", "the inventory names no `claim`: pods need a volume to share", {
      hint: "name a persistent volume claim with the access mode ReadWriteMany",
    });
  }
  const { folder, name, threads } = command;
  const root = mounted ?? folder;
  const there = (path: string): string => {
    const below = relative(root, path);
    if (!below.startsWith("..")) return join(MOUNT, below);
    throw new Fault("usage", `${path} is not below ${root}, which pods see as ${MOUNT}`, {
      hint: "give `--out` on the claim's volume, and its folder here as `mounted`",
    });
  };
  // A scenario by its absolute path, too, is on the volume.
  const words = arrayOptions(command, shards).map((word) =>
    isAbsolute(word) ? there(word) : word,
  );
  const labels = { "app.kubernetes.io/name": "tandem", "tandem/sweep": name };
  const container = {
    name: "shard",
    image,
    command: ["tandem", ...words],
    workingDir: there(folder),
    resources: { requests: { cpu: String(threads), memory: "1Gi" } },
    volumeMounts: [
      { name: "sweep", mountPath: MOUNT },
      { name: "tmp", mountPath: "/tmp" },
    ],
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
  };
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: id, namespace, labels },
    spec: {
      completionMode: "Indexed",
      completions: shards.length,
      parallelism: Math.min(shards.length, throttle ?? DEFAULT_PARALLELISM),
      backoffLimitPerIndex: MOST_RETRIES,
      ttlSecondsAfterFinished: KEPT_S,
      podFailurePolicy: {
        rules: [
          {
            action: "FailIndex",
            onExitCodes: { containerName: "shard", operator: "In", values: [...NEVER_RETRIED] },
          },
          // A node that is drained or lost is no fault of the shard.
          { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
        ],
      },
      template: {
        metadata: { labels },
        spec: { ...podOf(command.out, claim, pullSecrets), containers: [container] },
      },
    },
  };
}

/** A shard's pod without its container. It writes beside the submitter's files, so it is the folder's owner. */
function podOf(folder: string, claimName: string, pullSecrets: readonly string[] = []) {
  const { uid, gid } = statSync(folder);
  return {
    restartPolicy: "Never",
    automountServiceAccountToken: false,
    imagePullSecrets: pullSecrets.map((name) => ({ name })),
    securityContext: {
      runAsUser: uid,
      runAsGroup: gid,
      runAsNonRoot: uid !== 0,
      seccompProfile: { type: "RuntimeDefault" },
    },
    volumes: [
      { name: "sweep", persistentVolumeClaim: { claimName } },
      { name: "tmp", emptyDir: {} },
    ],
  };
}
