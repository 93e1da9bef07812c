/** Kind `slurm`: workers, and the gateway if asked for, are steps of one allocation. Start here. */
import { FIRST, type ReplicaPlace } from "../../../core/inventory/read-inventory.ts";
import { askEach, type Machine, type MachineKind } from "../machine.ts";
import {
  type AllocatedGroup,
  type MachinesNeeded,
  openAllocation,
  type SlurmInventory,
  slurmSays,
} from "./allocation.ts";
import { SlurmMachine } from "./slurm-machine.ts";

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
