/** Command lines of the Docker client: one container for each worker, found again by its labels. */
import { coresIn } from "../../../core/inventory/read-inventory.ts";
import type { InventoryOf } from "../../../core/inventory/schema.ts";
import { nodeFlags } from "../../processes/link.ts";
import { ENTRIES, type RemoteWorker } from "../machine.ts";

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
