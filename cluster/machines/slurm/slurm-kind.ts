/** Kind `slurm`: the workers of a deployment are steps of one allocation. Start here. */
import type { ReplicaPlace } from "../../../core/inventory/read-inventory.ts";
import type { InventoryOf } from "../../../core/inventory/schema.ts";
import type { Machine, MachineContext, MachineKind } from "../machine.ts";
import { type MachinesNeeded, openAllocation, slurmSays } from "./allocation.ts";
import { SlurmMachine } from "./slurm-machine.ts";

export const SLURM: MachineKind = {
  async open(context) {
    const inventory = context.loaded.inventory as InventoryOf<"slurm">;
    const { deployment, models, onEvent, signal } = context;
    const needed = machinesNeeded(context);
    const name = jobName(deployment);
    const allocation = await openAllocation({ inventory, name, needed, onEvent, signal });
    const machines = new Map<string, Machine>();
    const hosts: string[] = [];
    for (const [node, group] of allocation.groups) {
      const { gres } = inventory.nodes?.[node] ?? {};
      for (const [number, host] of group.hosts) {
        const own = context.places.filter(isOn(node, number));
        if (own.length === 0) continue;
        const gpus = usesGpus(gres) ? 1 + Math.max(...own.map(({ slot }) => slot)) : 0;
        const address = await addressOf(host);
        hosts.push(address);
        const machine = new SlurmMachine({ host, address, group, deployment, models, gpus });
        machines.set(`${node} ${number}`, machine);
      }
    }
    return {
      all: [...machines.values()],
      at: ({ node, number, slot }) => ({
        machine: machines.get(`${node} ${number}`) as Machine,
        slot: usesGpus(inventory.nodes?.[node]?.gres) ? { gpu: String(slot) } : {},
      }),
      hosts,
      gateway: null,
      leaseMs: inventory.leaseS * 1000,
      close: allocation.close,
    };
  },

  async leftovers({ deployment }, end) {
    try {
      const words = ["--noheader", "--format=%i %T %N", `--name=${jobName(deployment)}`];
      const lines = (await slurmSays("squeue", words)).split("\n").filter((line) => line !== "");
      const jobs = lines.map((line) => line.split(" "));
      if (end && jobs.length > 0)
        await slurmSays(
          "scancel",
          jobs.map(([job]) => job),
        );
      const found = jobs.map(([job, state, hosts]) => {
        const where = hosts === "" ? "" : ` on ${hosts}`;
        return `Slurm job ${job}, ${state.toLowerCase()}${where}`;
      });
      return { found, unknown: [] };
    } catch (error) {
      return { found: [], unknown: [(error as Error).message] };
    }
  },
};

function jobName(deployment: string): string {
  return `tandem-${deployment}`;
}

/** By node of the scenario; only machines that have replicas. */
function machinesNeeded(context: Pick<MachineContext, "places">): readonly MachinesNeeded[] {
  const names = [...new Set(context.places.map(({ node }) => node))];
  return names.map((node) => {
    const numbers = numbersOf(context, node);
    const sizes = numbers.map((number) => context.places.filter(isOn(node, number)).length);
    return { node, numbers, replicas: Math.max(...sizes) };
  });
}

function numbersOf({ places }: Pick<MachineContext, "places">, node: string): readonly number[] {
  const own = places.filter((place) => place.node === node).map(({ number }) => number);
  return [...new Set(own)].sort((a, b) => a - b);
}

function isOn(node: string, number: number): (place: ReplicaPlace) => boolean {
  return (place) => place.node === node && place.number === number;
}

function usesGpus(gres: string | undefined): boolean {
  return gres !== undefined && /(^|,)(gres[:/])?gpu\b/.test(gres);
}

/** As other machines of the cluster reach it. */
async function addressOf(host: string): Promise<string> {
  const said = await slurmSays("scontrol", ["--oneliner", "show", "node", host]);
  return /\bNodeAddr=(\S+)/.exec(said)?.[1] ?? host;
}
