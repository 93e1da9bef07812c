/** Kind `slurm`: workers, and the gateway if asked for, are steps of one allocation. */
import { dirname } from "node:path";
import { Fault } from "../../../engine/basics/fault.ts";
import { FIRST, type ReplicaPlace } from "../../../scenario/inventory/read-inventory.ts";
import { bundledProcess, nodeFlags } from "../../processes/link.ts";
import { authority } from "../../security/tls.ts";
import {
  askEach,
  ENTRIES,
  type Machine,
  type MachineContext,
  type MachineKind,
  type Program,
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
    const machines = new Map<string, Machine>();
    const hosts: string[] = [];
    let gateway: Machine | null = null;
    for (const { node, numbers } of needed) {
      const { hosts: names, ...group } = allocation.groups.get(node) as AllocatedGroup;
      for (const [i, number] of numbers.entries()) {
        const own = places.filter(isOn(node, number));
        const usesGpus = hasGpus(inventory, node);
        const gpus = usesGpus ? Math.max(0, ...own.map(({ slot }) => 1 + slot)) : 0;
        const host = names.get(number) as string;
        const address = await addressOf(host);
        const { look } = allocation;
        const machine = slurmMachine({ host, address, group, look, deployment, models, gpus });
        hosts.push(address);
        machines.set(`${node} ${number}`, machine);
        if (node === gatewayNode && i === 0) gateway = machine;
      }
    }
    return {
      all: [...machines.values()],
      at: ({ node, number, slot }) => ({
        machine: machines.get(`${node} ${number}`) as Machine,
        slot: hasGpus(inventory, node) ? { gpu: String(slot) } : {},
      }),
      hosts,
      gateway,
      gone: allocation.gone,
      close: allocation.close,
      leaseMs: inventory.leaseS * 1000,
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

function hasGpus({ nodes }: SlurmInventory, node: string): boolean {
  return /(^|,)(gres[:/])?gpu\b/.test(nodes?.[node]?.gres ?? "");
}

/** As other machines of the cluster reach it. */
async function addressOf(host: string): Promise<string> {
  const said = await slurmSays(["scontrol", "--oneliner", "show", "node", host]);
  return /\bNodeAddr=(\S+)/.exec(said)?.[1] ?? host;
}

interface SlurmMachineOptions extends Pick<MachineContext, "deployment" | "models"> {
  readonly host: string;
  /** Address by which other machines reach it. */
  readonly address: string;
  readonly group: Omit<AllocatedGroup, "hosts">;
  readonly look: () => void;
  /** GPUs that its workers choose from. */
  readonly gpus: number;
}

/** Takes its number and a command: leaves that one of the job's GPUs to the command. */
const CHOOSE_GPU =
  'CUDA_VISIBLE_DEVICES=$(echo "$CUDA_VISIBLE_DEVICES" | cut -d, -f"$1"); export CUDA_VISIBLE_DEVICES; shift; exec "$@"';
/** Takes files that must be there; then says the GPUs. */
const PROBE =
  'for file in "$@"; do [ -r "$file" ] || echo "missing $file"; done; echo "gpus $CUDA_VISIBLE_DEVICES"';

/** Files have the same paths on all machines. */
export function slurmMachine(options: SlurmMachineOptions): Machine {
  const { host, address, group, look, deployment, models, gpus } = options;
  const { folder, store = null } = models ?? {};
  const ports = new Map<string, number>();
  /** A step that shares the machine's part of the allocation with the other steps. */
  const step = (name: string, words: readonly string[]): readonly string[] => {
    look();
    return [
      ...["srun", ...group.options, "--overlap", "--nodes=1", "--ntasks=1", "--mem=0"],
      ...[`--cpus-per-task=${group.cpus}`, `--nodelist=${host}`, `--job-name=tandem-${name}`],
      ...words,
    ];
  };
  return {
    name: host,
    processors: group.cpus,
    paths: {
      ...(folder === undefined ? {} : { folder }),
      ...(store === null ? {} : { store: dirname(store) }),
    },
    async prepare() {
      const files = [process.execPath, fileOf("worker"), ...(store === null ? [] : [store])];
      const said = await slurmSays(step("probe", ["sh", "-c", PROBE, "sh", ...files]));
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
    },
    listen: ({ name }) => ({ host: "0.0.0.0", port: ports.get(name) ?? 0 }),
    command(program, { slot }, nodeOptions = []) {
      const gpu = slot.gpu === undefined ? null : String(Number(slot.gpu) + 1);
      return step(program, [
        // Slurm keeps output back until the end of its line; messages of the other programs are lines.
        ...(program === "forward" ? ["--unbuffered"] : []),
        ...(gpu === null ? [] : ["sh", "-c", CHOOSE_GPU, "sh", gpu]),
        ...[process.execPath, ...nodeFlags(process.versions.node), ...nodeOptions],
        ...[fileOf(program), "--stdio", `--deployment=${deployment}`],
      ]);
    },
    async reach({ name }, port) {
      ports.set(name, port);
      return authority(address, port);
    },
    async release({ name }) {
      ports.delete(name);
    },
    close: async () => undefined,
  };
}

function fileOf(program: Program): string {
  return bundledProcess(ENTRIES[program]);
}
