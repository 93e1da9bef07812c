/** Command lines of the Docker client: one container for each worker, found again by its labels; and how to run them. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Fault } from "../../../core/fault.ts";
import { coresIn } from "../../../core/inventory/read-inventory.ts";
import type { InventoryOf } from "../../../core/inventory/schema.ts";
import { nodeFlags } from "../../processes/link.ts";
import { ENTRIES, type RemoteWorker } from "../machine.ts";
import { type KnownFailure, runTool, toolFault } from "../run-tool.ts";

export type DockerInventory = InventoryOf<"docker">;
export type DockerMachineDocument = DockerInventory["machines"][string];

const DEPLOYMENT = "tandem.deployment";
/** Where a container sees the scenario's folder, and the prepared models. */
export const CONTAINER_PATHS = { folder: "/scenario", store: "/models/models" } as const;
/** The worker's port where it does not share the machine's network. */
export const CONTAINER_PORT = 9000;
/** Where an image has the compiled code. */
export const CODE = "/app/dist/cluster";

/** `docker`, for the daemon of a machine; without a name of its own, the environment's. */
export function dockerWords({ docker }: DockerMachineDocument): readonly string[] {
  return docker === undefined ? ["docker"] : ["docker", "--host", docker];
}

/** The inventory with a daemon named for each machine that names none. */
export function withDockerHost(inventory: DockerInventory, docker: string): DockerInventory {
  const machines = Object.entries(inventory.machines).map(([name, machine]) => [
    name,
    { docker, ...machine },
  ]);
  return { ...inventory, machines: Object.fromEntries(machines) };
}

/** An image's full name: with a tag or digest it is as given, else as `tandem deploy` names images. */
export function workerImage(image: string, version: string): string {
  return /[:@][^/]*$/.test(image) ? image : `${image}-worker:${version}`;
}

export interface ProcessContainer {
  readonly name: string;
  readonly deployment: string;
  readonly program: "worker" | "gateway";
  /** The gateway's slot is empty. */
  readonly process: RemoteWorker;
  readonly image: string;
  /** Version of the image's Node, and options for it besides ours. */
  readonly nodeVersion: string;
  readonly nodeOptions?: readonly string[];
  /** The value of `docker run --network`. */
  readonly network: string;
  /** Address and port on the machine that lead to the worker's port; an empty port means a free one. Default: nowhere. */
  readonly publish?: string | undefined;
  readonly cores?: string | undefined;
  readonly memoryMb?: number | undefined;
  /** Folders of this machine by their place in the container. */
  readonly mounts?: Readonly<Record<string, string>>;
}

/** The container ends with its standard input, and is removed when it ends. */
export function runWords(container: ProcessContainer): readonly string[] {
  const { process, cores, publish, memoryMb, mounts = {}, deployment } = container;
  const nodeOptions = [...nodeFlags(container.nodeVersion), ...(container.nodeOptions ?? [])];
  const { gpu } = process.slot;
  return [
    ...["run", "--rm", "--interactive", "--init", "--pull", "never", "--name", container.name],
    ...["--label", `${DEPLOYMENT}=${deployment}`, "--label", `tandem.process=${process.name}`],
    ...["--network", container.network],
    ...(publish === undefined ? [] : ["--publish", `${publish}:${CONTAINER_PORT}`]),
    ...["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"],
    ...["--security-opt", "no-new-privileges:true", "--no-healthcheck"],
    ...(cores === undefined
      ? []
      : ["--cpuset-cpus", cores, "--cpus", String(coresIn(cores).length)]),
    ...(memoryMb === undefined ? [] : ["--memory", `${memoryMb}m`]),
    ...(gpu === undefined ? [] : ["--gpus", `device=${gpu}`]),
    ...Object.entries(mounts).flatMap(([to, from]) => ["--volume", `${from}:${to}:ro`]),
    ...["--entrypoint", "node", container.image, ...nodeOptions],
    ...[`${CODE}/${ENTRIES[container.program]}.js`, "--stdio", `--deployment=${deployment}`],
  ];
}

/** Names of a deployment's containers, also of those that have ended. */
export function listWords(deployment: string): readonly string[] {
  const filter = ["--filter", `label=${DEPLOYMENT}=${deployment}`];
  return ["ps", "--all", ...filter, "--format", "{{.Names}}"];
}

export interface DockerHost {
  /** The inventory's name of the machine. */
  readonly name: string;
  /** `docker` and its options. */
  readonly docker: readonly string[];
}

const MISSING = "install a Docker client, e.g. docker.io";
const TIMEOUT_MS = 60_000;
const REMOVAL_MS = 10_000;
const TRY_MS = 50;

const KNOWN_FAILURES: readonly KnownFailure[] = [
  [
    /permission denied.*docker.*sock/i,
    "this user may not use its Docker daemon",
    "add the user to the group `docker`, or use a rootless daemon",
  ],
  [
    /Cannot connect to the Docker daemon|error during connect|connection refused|no such host/i,
    "its Docker daemon does not answer",
    "start it, or name another by `docker:` in the inventory or DOCKER_HOST; `docker info` must work",
  ],
  [
    /No such image/i,
    "it has no such image",
    "`tandem deploy compose SCENARIO` prints the commands that build images",
  ],
];

/** Its standard output. Rejects with a Fault that names the machine and the next step. */
export async function runDocker(
  { name, docker }: DockerHost,
  words: readonly string[],
  signal?: AbortSignal,
): Promise<string> {
  const options = { missing: MISSING, timeoutMs: TIMEOUT_MS, signal };
  const { stdout, stderr, code } = await runTool([...docker, ...words], options);
  if (code === 0) return stdout;
  const said = stderr.trim() || "it did not answer in a minute";
  const hint = `\`${docker.join(" ")} ${words[0]}\` must work`;
  throw toolFault(name, said, KNOWN_FAILURES, ["Docker failed", hint]);
}

/**
 * Resolves once none of the containers is there. Docker may be removing an ended one already, which the
 * client calls a failure. Rejects as runDocker does.
 */
export async function removeContainers(host: DockerHost, names: readonly string[]): Promise<void> {
  const giveUpAt = Date.now() + REMOVAL_MS;
  const remove = async (name: string): Promise<void> => {
    for (;;) {
      try {
        await runDocker(host, ["rm", "--force", name]);
        return;
      } catch (error) {
        const { message } = error as Fault;
        if (/no such container/i.test(message)) return;
        if (!/already in progress/i.test(message) || Date.now() > giveUpAt) throw error;
        await sleep(TRY_MS);
      }
    }
  };
  await Promise.all(names.map(remove));
}
