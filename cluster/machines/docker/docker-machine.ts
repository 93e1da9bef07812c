/** Kind `docker`: a container for each worker, on this machine or on another with a Docker daemon. */
import { dirname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { VERSION } from "../../../build/version.ts";
import { Fault } from "../../../core/fault.ts";
import { coresIn } from "../../../core/inventory/read-inventory.ts";
import type { InventoryOf, SlotPlace } from "../../../core/inventory/schema.ts";
import { nodeFlags } from "../../processes/link.ts";
import { authority } from "../../security/tls.ts";
import { type KnownFailure, runTool, toolFault } from "../client-command.ts";
import {
  askEach,
  ENTRIES,
  listedMachines,
  type Machine,
  type MachineContext,
  type MachineKind,
  type ModelFiles,
  type Program,
  type RemoteWorker,
} from "../machine.ts";
import { workerShipment } from "../shipment.ts";

export const DOCKER: MachineKind = {
  async open({ loaded, deployment, places, models, signal }) {
    const inventory = loaded.inventory as DockerInventory;
    const shared = { inventory, deployment, models, signal };
    const { working, ...listed } = listedMachines(
      inventory,
      places,
      (name, slots) => new DockerMachine({ ...shared, name, slots }),
    );
    const hosts = working.flatMap((name) => inventory.machines[name].address ?? []);
    return { ...listed, hosts, close: async () => undefined };
  },

  leftovers({ loaded, deployment }, end) {
    const { machines } = loaded.inventory as DockerInventory;
    return askEach(Object.keys(machines), async (name) => {
      const host = { name, docker: dockerWords(machines[name]) };
      const filter = ["--filter", `label=${DEPLOYMENT}=${deployment}`];
      // Those that have ended, too.
      const words = ["ps", "--all", ...filter, "--format", "{{.Names}}"];
      const names = (await runDocker(host, words)).split("\n").filter((one) => one !== "");
      if (end) await removeContainers(host, names);
      return names.map((container) => `container ${container} on ${name}`);
    });
  },
};

interface DockerMachineOptions extends Pick<MachineContext, "deployment" | "models" | "signal"> {
  readonly name: string;
  readonly inventory: DockerInventory;
  /** Slots that replicas will take. */
  readonly slots: readonly SlotPlace[];
}

/** Folders of this machine by their place in a container. */
function mountsOf({ folder, store }: ModelFiles): Readonly<Record<string, string>> {
  return {
    [CONTAINER_PATHS.folder]: resolve(folder),
    // The store's own name is a digest below the folder of all.
    ...(store === null ? {} : { [CONTAINER_PATHS.store]: dirname(store) }),
  };
}

/** Checks daemon, image, cores and GPUs, and names and finds containers. */
class DockerMachine implements Machine {
  readonly name: string;
  readonly #options: DockerMachineOptions;
  readonly #own: DockerInventory["machines"][string];
  readonly #host: DockerHost;
  readonly #image: string;
  readonly #address: string;
  readonly #sharesNetwork: boolean;
  /** The container of each worker's latest start. */
  readonly #containers = new Map<string, string>();
  /** The port of each worker on the machine, which it keeps when it starts again. */
  readonly #ports = new Map<string, number>();
  #starts = 0;
  /** The daemon's. */
  #processors = 0;
  /** The version of Node in the image; "" before the check. */
  #nodeVersion = "";

  constructor(options: DockerMachineOptions) {
    const { name, inventory } = options;
    this.name = name;
    this.#options = options;
    this.#own = inventory.machines[name];
    this.#host = { name, docker: dockerWords(this.#own) };
    this.#image = workerImage(inventory.image, VERSION);
    this.#address = this.#own.address ?? "127.0.0.1";
    this.#sharesNetwork = inventory.network === "host";
  }

  get processors(): number {
    const { cores } = this.#own;
    return cores === undefined ? this.#processors : coresIn(cores).length;
  }

  get paths(): Machine["paths"] {
    return this.#options.models === null ? {} : CONTAINER_PATHS;
  }

  async prepare(): Promise<void> {
    const { signal } = this.#options;
    this.#checkReach();
    const format = "{{.NCPU}} {{range $name, $_ := .Runtimes}}{{$name}} {{end}}";
    const said = await runDocker(this.#host, ["info", "--format", format], signal);
    const [processors, ...runtimes] = said.trim().split(/\s+/);
    this.#processors = Number(processors);
    this.#checkPlace(runtimes);
    await runDocker(this.#host, ["image", "inspect", "--format", "{{.Id}}", this.#image], signal);
    await this.#checkProgram();
  }

  listen({ name }: RemoteWorker): { readonly host: string; readonly port: number } {
    return this.#sharesNetwork
      ? { host: this.#address, port: this.#ports.get(name) ?? 0 }
      : { host: "0.0.0.0", port: CONTAINER_PORT };
  }

  command(program: Program, process: RemoteWorker, nodeOptions: readonly string[] = []) {
    const { docker } = this.#host;
    if (program === "forward") {
      const container = this.#containers.get(process.name) ?? "";
      const forward = `${PROGRAMS}/${ENTRIES.forward}.js`;
      return [...docker, "exec", "--interactive", container, "node", forward];
    }
    const { deployment, models, inventory } = this.#options;
    const { cores, memoryMb } = this.#own;
    // A name is free again only once its container is removed, which takes a moment.
    const name = `tandem-${deployment.slice(0, 8)}-${process.name}-${++this.#starts}`;
    this.#containers.set(process.name, name);
    const published = `${this.#address}:${this.#ports.get(process.name) ?? ""}`;
    const ofWorker = {
      memoryMb,
      cores: process.slot.cores ?? cores,
      publish: this.#sharesNetwork ? undefined : published,
      mounts: models === null ? {} : mountsOf(models),
    };
    const words = runWords({
      name,
      deployment,
      program,
      process,
      nodeOptions,
      network: inventory.network,
      image: this.#image,
      nodeVersion: this.#nodeVersion,
      ...(program === "worker" ? ofWorker : {}),
    });
    return [...docker, ...words];
  }

  async reach({ name }: RemoteWorker, port: number): Promise<string> {
    const outside = this.#sharesNetwork ? port : await this.#publishedPort(name);
    this.#ports.set(name, outside);
    return authority(this.#address, outside);
  }

  /** Docker removes a container that has ended, unless its daemon was gone meanwhile. */
  async release({ name }: RemoteWorker): Promise<void> {
    const container = this.#containers.get(name);
    this.#containers.delete(name);
    this.#ports.delete(name);
    if (container === undefined) return;
    await removeContainers(this.#host, [container]).catch(() => undefined);
  }

  async close(): Promise<void> {
    const workers = [...this.#containers.keys()];
    await Promise.all(workers.map((name) => this.release({ name, slot: {} })));
  }

  async #publishedPort(worker: string): Promise<number> {
    const container = this.#containers.get(worker) as string;
    const said = await runDocker(this.#host, ["port", container, `${CONTAINER_PORT}/tcp`]);
    return Number(said.trim().split("\n")[0].split(":").at(-1));
  }

  #checkReach(): void {
    const { docker, address } = this.#own;
    if (docker === undefined || docker.startsWith("unix:")) return;
    if (address === undefined) {
      throw this.#fault(
        "its workers cannot be reached",
        "give `address:`, the machine's address for the gateway, in the inventory",
      );
    }
    if (this.#options.models !== null) {
      throw this.#fault(
        "real models' files are on this machine, and its containers see its own",
        "use kind ssh, which copies them, or the replay backend",
      );
    }
  }

  #checkPlace(runtimes: readonly string[]): void {
    const { slots } = this.#options;
    const lists = [this.#own.cores, ...slots.map((slot) => slot.cores)];
    const wanted = lists.flatMap((list) => (list === undefined ? [] : coresIn(list)));
    const last = Math.max(0, ...wanted);
    if (last >= this.#processors) {
      const hint = `it has ${this.#processors}, from 0; see \`cores\` in the inventory`;
      throw this.#fault(`it has no core ${last}`, hint);
    }
    if (slots.some(({ gpu }) => gpu !== undefined) && !runtimes.includes("nvidia")) {
      throw this.#fault(
        "its Docker gives containers no GPUs",
        "install the NVIDIA Container Toolkit there, and run `nvidia-ctk runtime configure`",
      );
    }
  }

  /** Reads the image's Node. Rejects where its program is another than this one, which would not understand it. */
  async #checkProgram(): Promise<void> {
    const script = `import { workerShipment } from "${CODE}/cluster/machines/shipment.js";
      console.log(process.versions.node + " " + workerShipment(false).digest)`;
    const node = ["--entrypoint", "node", this.#image, "--input-type=module", "-e", script];
    const run = ["run", "--rm", "--pull", "never", "--network", "none", ...node];
    const said = await runDocker(this.#host, run, this.#options.signal);
    const [nodeVersion, program] = said.trim().split(" ");
    this.#nodeVersion = nodeVersion;
    const own = workerShipment(false).digest;
    if (program === own) return;
    throw this.#fault(
      `the program in ${this.#image} is another than this one`,
      `its digest is ${program || "unknown"}, and this one's is ${own}: build the image again`,
    );
  }

  #fault(message: string, hint: string): Fault {
    return new Fault("cluster-failure", `${this.name}: ${message}`, { hint });
  }
}

type DockerInventory = InventoryOf<"docker">;
type DockerMachineDocument = DockerInventory["machines"][string];

const DEPLOYMENT = "tandem.deployment";
/** Where a container sees the scenario's folder, and the prepared models. */
const CONTAINER_PATHS = { folder: "/scenario", store: "/models/models" } as const;
/** The worker's port where it does not share the machine's network. */
const CONTAINER_PORT = 9000;
/** Where an image has the compiled code, and the bundle of the programs that run: `workerShipment` says its digest. */
const CODE = "/app/dist";
const PROGRAMS = `${CODE}/cluster-bundle/cluster`;

/** `docker`, for the daemon of a machine; without a name of its own, the environment's. */
export function dockerWords({ docker }: DockerMachineDocument): readonly string[] {
  return docker === undefined ? ["docker"] : ["docker", "--host", docker];
}

/** An image's full name: with a tag or digest it is as given, else as `tandem deploy` names images. */
export function workerImage(image: string, version: string): string {
  return /[:@][^/]*$/.test(image) ? image : `${image}-worker:${version}`;
}

interface ProcessContainer {
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
    ...[`${PROGRAMS}/${ENTRIES[container.program]}.js`, "--stdio", `--deployment=${deployment}`],
  ];
}

interface DockerHost {
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
async function runDocker(
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
async function removeContainers(host: DockerHost, names: readonly string[]): Promise<void> {
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
