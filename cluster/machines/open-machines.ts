/** The kinds of machines, and the machines of a deployment made ready: all of them, or every problem at once. */
import { Fault } from "../../core/fault.ts";
import type { Inventory } from "../../core/inventory/schema.ts";
import type {
  DeployedContext,
  Leftovers,
  MachineContext,
  MachineKind,
  Machines,
} from "./machine.ts";

/** Loads only the kind that is asked for. */
async function kindOf({ kind }: Inventory): Promise<MachineKind> {
  switch (kind) {
    case "docker":
      return (await import("./docker/docker-kind.ts")).DOCKER;
    case "ssh":
      return (await import("./ssh/ssh-kind.ts")).SSH;
    case "slurm":
      return (await import("./slurm/slurm-kind.ts")).SLURM;
    default:
      throw new Fault("usage", `a cluster cannot be started on an inventory of kind ${kind}`, {
        hint: "its kind is local, docker, ssh or slurm here; `tandem deploy --help` says what else there is",
      });
  }
}

/**
 * Opens and prepares the machines, all in parallel. Rejects with Fault("cluster-failure") that has the problems
 * of all of them; everything is closed then.
 */
export async function openMachines(context: MachineContext): Promise<Machines> {
  const kind = await kindOf(context.loaded.inventory);
  const machines = await kind.open(context);
  const prepared = await Promise.allSettled(machines.all.map((machine) => machine.prepare()));
  const faults = prepared.flatMap((result, i) =>
    result.status === "fulfilled" ? [] : [problemOf(machines.all[i].name, result.reason)],
  );
  if (faults.length === 0) return machines;
  await closeMachines(machines);
  throw together(context.loaded.file, faults);
}

export async function closeMachines(machines: Machines): Promise<void> {
  await Promise.all(machines.all.map((machine) => machine.close()));
  await machines.close();
}

/** See `MachineKind.leftovers`. */
export async function machineLeftovers(context: DeployedContext, end: boolean): Promise<Leftovers> {
  if (context.loaded.inventory.kind === "local") return { found: [], unknown: [] };
  return (await kindOf(context.loaded.inventory)).leftovers(context, end);
}

interface Problem {
  readonly machine: string;
  readonly fault: Fault;
}

/** A bug is thrown as it is. */
function problemOf(machine: string, reason: unknown): Problem {
  if (!(reason instanceof Fault)) throw reason;
  return { machine, fault: reason };
}

function together(file: string, problems: readonly Problem[]): Fault {
  const count = problems.length === 1 ? "a machine is" : `${problems.length} machines are`;
  const code = problems.every(({ fault }) => fault.code === "invalid-input")
    ? "invalid-input"
    : "cluster-failure";
  return new Fault(code, `${file}: ${count} not ready; nothing was started`, {
    issues: problems.map(({ machine, fault: { message, hint } }) => ({
      ...{ path: `machines.${machine}`, message },
      ...(hint === undefined ? {} : { hint }),
    })),
  });
}
