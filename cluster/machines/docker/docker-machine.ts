/** A machine of kind `docker`: checks daemon, image, cores and GPUs, and names and finds containers. */
import { dirname, resolve } from "node:path";
import { Fault } from "../../../core/fault.ts";
import { coresIn } from "../../../core/inventory/read-inventory.ts";
import type { SlotPlace } from "../../../core/inventory/schema.ts";
import { authority } from "../../security/bind-address.ts";
import {
  ENTRIES,
  type GatewayProgram,
  type Machine,
  type ModelFiles,
  type RemoteWorker,
} from "../machine.ts";
import {
  CODE,
  CONTAINER_PATHS,
  CONTAINER_PORT,
  type DockerInventory,
  dockerWords,
  type ProcessContainer,
  runWords,
  workerImage,
} from "./docker-command.ts";
import { programDigest } from "./program-digest.ts";
import { type DockerHost, removeContainers, runDocker } from "./run-docker.ts";

export interface DockerMachineOptions {
  readonly name: string;
  readonly inventory: DockerInventory;
  readonly deployment: string;
  readonly models: ModelFiles | null;
  /** The version of this program, and the tag of images without one. */
  readonly version: string;
  /** Slots that replicas will take. */
  readonly slots: readonly SlotPlace[];
  readonly signal: AbortSignal | undefined;
}

/** The daemon's processors, and the version of the image's Node. */
interface DockerFacts {
  readonly processors: number;
  readonly nodeVersion: string;
}

/** Folders of this machine by their place in a container. */
function mountsOf({ folder, store }: ModelFiles): Readonly<Record<string, string>> {
  return {
    [CONTAINER_PATHS.folder]: resolve(folder),
    // The store's own name is a digest below the folder of all.
    ...(store === null ? {} : { [CONTAINER_PATHS.store]: dirname(store) }),
  };
}

const GATEWAY: RemoteWorker = { name: "gateway", slot: {} };

export class DockerMachine implements Machine {
  readonly name: string;
  readonly #options: DockerMachineOptions;
  readonly #host: DockerHost;
  /** The container of each worker's latest start. */
  readonly #containers = new Map<string, string>();
  /** The port of each worker on the machine, which it keeps when it starts again. */
  readonly #ports = new Map<string, number>();
  #starts = 0;
  #facts: DockerFacts | null = null;

  constructor(options: DockerMachineOptions) {
    this.#options = options;
    this.name = options.name;
    this.#host = { name: options.name, docker: dockerWords(this.#own) };
  }

  get processors(): number {
    const { cores } = this.#own;
    return cores === undefined ? this.#known.processors : coresIn(cores).length;
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
    this.#checkPlace(Number(processors), runtimes);
    await runDocker(this.#host, ["image", "inspect", "--format", "{{.Id}}", this.#image], signal);
    const nodeVersion = await this.#checkProgram();
    this.#facts = { processors: Number(processors), nodeVersion };
  }

  listen({ name }: RemoteWorker): { readonly host: string; readonly port: number } {
    return this.#sharesNetwork
      ? { host: this.#address, port: this.#ports.get(name) ?? 0 }
      : { host: "0.0.0.0", port: CONTAINER_PORT };
  }

  command(worker: RemoteWorker): readonly string[] {
    const { models } = this.#options;
    const { cores, memoryMb } = this.#own;
    const published = `${this.#address}:${this.#ports.get(worker.name) ?? ""}`;
    return this.#run({
      ...{ program: "worker", process: worker, memoryMb, cores: worker.slot.cores ?? cores },
      publish: this.#sharesNetwork ? undefined : published,
      mounts: models === null ? {} : mountsOf(models),
    });
  }

  gatewayCommand(program: GatewayProgram, nodeOptions: readonly string[]): readonly string[] {
    if (program === "gateway") return this.#run({ program, process: GATEWAY, nodeOptions });
    const container = this.#containers.get(GATEWAY.name) ?? "";
    const words = ["exec", "--interactive", container, "node", `${CODE}/${ENTRIES.forward}.js`];
    return [...this.#host.docker, ...words];
  }

  #run(
    given: Omit<ProcessContainer, "name" | "deployment" | "image" | "network" | "nodeVersion">,
  ): readonly string[] {
    const { deployment, inventory } = this.#options;
    const { name: process } = given.process;
    // A name is free again only once its container is removed, which takes a moment.
    const name = `tandem-${deployment.slice(0, 8)}-${process}-${++this.#starts}`;
    this.#containers.set(process, name);
    const { network } = inventory;
    const { nodeVersion } = this.#known;
    const words = runWords({
      ...given,
      name,
      deployment,
      network,
      nodeVersion,
      image: this.#image,
    });
    return [...this.#host.docker, ...words];
  }

  async reach(worker: RemoteWorker, port: number): Promise<string> {
    const outside = this.#sharesNetwork ? port : await this.#publishedPort(worker);
    this.#ports.set(worker.name, outside);
    return authority(this.#address, outside);
  }

  /** Docker removes a container that has ended, unless its daemon was gone meanwhile. */
  async release(worker: RemoteWorker): Promise<void> {
    const container = this.#containers.get(worker.name);
    this.#containers.delete(worker.name);
    this.#ports.delete(worker.name);
    if (container === undefined) return;
    await removeContainers(this.#host, [container]).catch(() => undefined);
  }

  async close(): Promise<void> {
    const workers = [...this.#containers.keys()];
    await Promise.all(workers.map((name) => this.release({ name, slot: {} })));
  }

  get #own() {
    return this.#options.inventory.machines[this.#options.name];
  }

  get #known(): DockerFacts {
    if (this.#facts === null) throw new Error(`${this.name} is not prepared`);
    return this.#facts;
  }

  get #image(): string {
    return workerImage(this.#options.inventory.image, this.#options.version);
  }

  get #address(): string {
    return this.#own.address ?? "127.0.0.1";
  }

  get #sharesNetwork(): boolean {
    return this.#options.inventory.network === "host";
  }

  async #publishedPort({ name }: RemoteWorker): Promise<number> {
    const container = this.#containers.get(name) as string;
    const said = await runDocker(this.#host, ["port", container, `${CONTAINER_PORT}/tcp`]);
    return Number(said.trim().split("\n")[0].split(":").at(-1));
  }

  #checkReach(): void {
    const { models } = this.#options;
    const { docker, address } = this.#own;
    const isRemote = docker !== undefined && !docker.startsWith("unix:");
    if (isRemote && address === undefined) {
      throw this.#fault("its workers cannot be reached", {
        hint: "give `address:`, the machine's address for the gateway, in the inventory",
      });
    }
    if (isRemote && models !== null) {
      throw this.#fault("real models' files are on this machine, and its containers see its own", {
        hint: "use kind ssh, which copies them, or the replay backend",
      });
    }
  }

  #checkPlace(processors: number, runtimes: readonly string[]): void {
    const { slots } = this.#options;
    const wanted = [this.#own.cores, ...slots.map((slot) => slot.cores)].flatMap((one) =>
      one === undefined ? [] : coresIn(one),
    );
    const last = Math.max(0, ...wanted);
    if (last >= processors) {
      throw this.#fault(`it has no core ${last}`, {
        hint: `it has ${processors}, from 0; see \`cores\` in the inventory`,
      });
    }
    if (slots.some(({ gpu }) => gpu !== undefined) && !runtimes.includes("nvidia")) {
      throw this.#fault("its Docker gives containers no GPUs", {
        hint: "install the NVIDIA Container Toolkit there, and run `nvidia-ctk runtime configure`",
      });
    }
  }

  /** The image's Node. Rejects where its program is another than this one, which would not understand it. */
  async #checkProgram(): Promise<string> {
    const script = `import { programDigest } from "${CODE}/machines/docker/program-digest.js";
      console.log(process.versions.node + " " + programDigest())`;
    const node = ["--entrypoint", "node", this.#image, "--input-type=module", "-e", script];
    const run = ["run", "--rm", "--pull", "never", "--network", "none", ...node];
    const said = await runDocker(this.#host, run, this.#options.signal);
    const [nodeVersion, program] = said.trim().split(" ");
    const own = programDigest();
    if (program === own) return nodeVersion;
    throw this.#fault(`the program in ${this.#image} is another than this one`, {
      hint: `its digest is ${program || "unknown"}, and this one's is ${own}: build the image again`,
    });
  }

  #fault(message: string, options: { readonly hint: string }): Fault {
    return new Fault("cluster-failure", `${this.name}: ${message}`, options);
  }
}
