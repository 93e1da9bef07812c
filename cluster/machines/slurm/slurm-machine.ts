/** Kind `slurm`: workers, and the gateway if asked for, are steps of one allocation. */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { Fault } from "../../../core/fault.ts";
import { FIRST, type ReplicaPlace } from "../../../core/inventory/read-inventory.ts";
import { entryPoint, nodeFlags } from "../../processes/link.ts";
import { authority } from "../../security/bind-address.ts";
import {
  askEach,
  ENTRIES,
  type Machine,
  type MachineKind,
  type ModelFiles,
  type Program,
  type RemoteWorker,
} from "../machine.ts";
import {
  type AllocatedGroup,
  type MachinesNeeded,
  openAllocation,
  type SlurmInventory,
  slurmSays,
} from "./allocation.ts";

export const SLURM: MachineKind = {
  async hold({ loaded, deployment, all, onEvent, signal }) {
    const inventory = loaded.inventory as SlurmInventory;
    const needed = largest(all.flatMap((places) => machinesNeeded(inventory, places)));
    const name = jobName(deployment);
    return (await openAllocation({ inventory, name, needed, onEvent, signal })).close;
  },

  async open(context) {
    const inventory = context.loaded.inventory as SlurmInventory;
    const { deployment, models, onEvent, signal, places } = context;
    const needed = machinesNeeded(inventory, places);
    const name = jobName(deployment);
    const allocation = await openAllocation({ inventory, name, needed, onEvent, signal });
    const gatewayNode = nodeOfGateway(inventory, places);
    const machines = new Map<string, SlurmMachine>();
    for (const { node, numbers } of needed) {
      const group = allocation.groups.get(node) as AllocatedGroup;
      const { gres } = inventory.nodes?.[node] ?? {};
      for (const [i, number] of numbers.entries()) {
        const own = places.filter(isOn(node, number));
        const gpus = usesGpus(gres) ? Math.max(0, ...own.map(({ slot }) => 1 + slot)) : 0;
        const host = group.hosts.get(number) as string;
        const address = await addressOf(host);
        const hasGateway = node === gatewayNode && i === 0;
        const { look } = allocation;
        const shared = { host, address, group, look, deployment, models, gpus, hasGateway };
        machines.set(`${node} ${number}`, new SlurmMachine(shared));
      }
    }
    const all = [...machines.values()];
    return {
      all,
      at: ({ node, number, slot }) => ({
        machine: machines.get(`${node} ${number}`) as Machine,
        slot: usesGpus(inventory.nodes?.[node]?.gres) ? { gpu: String(slot) } : {},
      }),
      hosts: all.map(({ address }) => address),
      gateway: all.find(({ hasGateway }) => hasGateway) ?? null,
      gone: allocation.gone,
      leaseMs: inventory.leaseS * 1000,
      close: allocation.close,
    };
  },

  leftovers({ deployment }, end) {
    return askEach(["slurm"], async () => {
      const named = `--name=${jobName(deployment)}`;
      const said = await slurmSays(["squeue", "--noheader", "--format=%i %T %N", named]);
      const jobs = said.split("\n").flatMap((line) => (line === "" ? [] : [line.split(" ")]));
      if (end && jobs.length > 0) await slurmSays(["scancel", ...jobs.map(([job]) => job)]);
      return jobs.map(([job, state, hosts]) => {
        const where = hosts === "" ? "" : ` on ${hosts}`;
        return `Slurm job ${job}, ${state.toLowerCase()}${where}`;
      });
    });
  },
};

function jobName(deployment: string): string {
  return `tandem-${deployment}`;
}

/** By node of the scenario; only machines that have replicas or the gateway. */
function machinesNeeded(
  inventory: SlurmInventory,
  places: readonly ReplicaPlace[],
): readonly MachinesNeeded[] {
  const gateway = nodeOfGateway(inventory, places);
  const names = new Set([...places.map(({ node }) => node), ...[gateway ?? []].flat()]);
  return [...names].map((node) => {
    const used = places.flatMap((place) => (place.node === node ? [place.number] : []));
    const numbers = used.length === 0 ? [0] : [...new Set(used)].sort((a, b) => a - b);
    const sizes = numbers.map((number) => places.filter(isOn(node, number)).length);
    return { node, numbers, processes: Math.max(...sizes) + (node === gateway ? 1 : 0) };
  });
}

/** Enough for each of several deployments. */
function largest(all: readonly MachinesNeeded[]): readonly MachinesNeeded[] {
  return [...new Set(all.map(({ node }) => node))].map((node) => {
    const own = all.filter((one) => one.node === node);
    const numbers = new Set(own.flatMap((one) => one.numbers));
    return {
      node,
      numbers: [...numbers].sort((a, b) => a - b),
      processes: Math.max(...own.map(({ processes }) => processes)),
    };
  });
}

function nodeOfGateway(
  { gateway }: SlurmInventory,
  places: readonly ReplicaPlace[],
): string | undefined {
  return gateway === FIRST ? places[0].node : gateway;
}

function isOn(node: string, number: number): (place: ReplicaPlace) => boolean {
  return (place) => place.node === node && place.number === number;
}

function usesGpus(gres: string | undefined): boolean {
  return gres !== undefined && /(^|,)(gres[:/])?gpu\b/.test(gres);
}

/** As other machines of the cluster reach it. */
async function addressOf(host: string): Promise<string> {
  const said = await slurmSays(["scontrol", "--oneliner", "show", "node", host]);
  return /\bNodeAddr=(\S+)/.exec(said)?.[1] ?? host;
}

interface SlurmMachineOptions {
  readonly host: string;
  /** Address by which other machines reach it. */
  readonly address: string;
  readonly group: Omit<AllocatedGroup, "hosts">;
  readonly look: () => void;
  readonly deployment: string;
  readonly models: ModelFiles | null;
  /** GPUs that its workers choose from. */
  readonly gpus: number;
  readonly hasGateway: boolean;
}

/** Takes its number and a command: leaves that one of the job's GPUs to the command. */
const CHOOSE_GPU =
  'CUDA_VISIBLE_DEVICES=$(echo "$CUDA_VISIBLE_DEVICES" | cut -d, -f"$1"); export CUDA_VISIBLE_DEVICES; shift; exec "$@"';
/** Takes files that must be there; then says the GPUs. */
const PROBE =
  'for file in "$@"; do [ -r "$file" ] || echo "missing $file"; done; echo "gpus $CUDA_VISIBLE_DEVICES"';

export class SlurmMachine implements Machine {
  readonly #options: SlurmMachineOptions;
  readonly #ports = new Map<string, number>();

  constructor(options: SlurmMachineOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.host;
  }

  get address(): string {
    return this.#options.address;
  }

  get hasGateway(): boolean {
    return this.#options.hasGateway;
  }

  get processors(): number {
    return this.#options.group.cpus;
  }

  /** Files have the same paths on all machines. */
  get paths(): Machine["paths"] {
    const { models } = this.#options;
    if (models === null) return {};
    const { folder, store } = models;
    return { folder, ...(store === null ? {} : { store: dirname(store) }) };
  }

  async prepare(): Promise<void> {
    const { models, gpus, host } = this.#options;
    const files = [process.execPath, fileOf("worker"), ...[models?.store ?? []].flat()];
    const said = await slurmSays(this.#step("probe", ["sh", "-c", PROBE, "sh", ...files]));
    const missing = [...said.matchAll(/^missing (.*)$/gm)].map(([, file]) => file);
    if (missing.length > 0) {
      throw new Fault("cluster-failure", `${host} does not see ${missing.join(" and ")}`, {
        hint: "install Node.js and Tandem in a folder that all machines of the partition see",
      });
    }
    const [, list = ""] = /^gpus (.*)$/m.exec(said) ?? [];
    const found = list === "" ? 0 : list.split(",").length;
    if (found >= gpus) return;
    throw new Fault("cluster-failure", `${host} gave ${found} of the ${gpus} GPUs`, {
      hint: "ask for them by `gres` of the node in the inventory, e.g. gpu:2",
    });
  }

  listen({ name }: RemoteWorker): { readonly host: string; readonly port: number } {
    return { host: "0.0.0.0", port: this.#ports.get(name) ?? 0 };
  }

  command(program: Program, { slot }: RemoteWorker, nodeOptions: readonly string[] = []) {
    const gpu = slot.gpu === undefined ? null : String(Number(slot.gpu) + 1);
    // Slurm keeps output back until the end of its line; messages of the other programs are lines.
    const options = program === "forward" ? ["--unbuffered"] : [];
    const words = [
      ...(gpu === null ? [] : ["sh", "-c", CHOOSE_GPU, "sh", gpu]),
      ...[process.execPath, ...nodeFlags(process.versions.node), ...nodeOptions],
      ...[fileOf(program), "--stdio", `--deployment=${this.#options.deployment}`],
    ];
    return this.#step(program, words, options);
  }

  async reach({ name }: RemoteWorker, port: number): Promise<string> {
    this.#ports.set(name, port);
    return authority(this.#options.address, port);
  }

  async release({ name }: RemoteWorker): Promise<void> {
    this.#ports.delete(name);
  }

  async close(): Promise<void> {
    this.#ports.clear();
  }

  /** A step that shares the machine's part of the allocation with the other steps. */
  #step(
    name: string,
    words: readonly string[],
    options: readonly string[] = [],
  ): readonly string[] {
    const { host, group, look } = this.#options;
    look();
    return [
      ...["srun", ...group.options, "--overlap", "--nodes=1", "--ntasks=1", "--mem=0"],
      ...[`--cpus-per-task=${group.cpus}`, `--nodelist=${host}`, `--job-name=tandem-${name}`],
      ...[...options, ...words],
    ];
  }
}

function fileOf(program: Program): string {
  return fileURLToPath(entryPoint(ENTRIES[program]));
}
