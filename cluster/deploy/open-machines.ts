/** The kinds of machines, and the machines of a deployment made ready: all of them, or every problem at once. */
import { Fault } from "../../engine/basics/fault.ts";
import type { Inventory } from "../../scenario/inventory/schema.ts";
import type {
  DeployedContext,
  HoldContext,
  Leftovers,
  MachineContext,
  MachineKind,
  Machines,
} from "../machines/machine.ts";

/** Loads only the kind that is asked for. */
async function kindOf({ kind }: Inventory): Promise<MachineKind> {
  switch (kind) {
    case "ssh":
      return (await import("../machines/ssh/ssh-machine.ts")).SSH;
    case "slurm":
      return (await import("../machines/slurm/slurm-machine.ts")).SLURM;
    default:
      throw new Fault("usage", `a cluster cannot be started on an inventory of kind ${kind}`, {
        hint: "its kind is local, ssh or slurm here; `tandem deploy --help` says what else there is",
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
  const problems = prepared.flatMap((result, i) =>
    result.status === "fulfilled"
      ? []
      : [{ machine: machines.all[i].name, reason: result.reason as unknown }],
  );
  if (problems.length === 0) return machines;
  await closeMachines(machines);
  throw together(context.loaded.file, problems);
}

export async function closeMachines(machines: Machines): Promise<void> {
  await Promise.all(machines.all.map((machine) => machine.close()));
  await machines.close();
}

export async function holdMachines(context: HoldContext): Promise<() => Promise<void>> {
  const { inventory } = context.loaded;
  const kind = inventory.kind === "local" ? null : await kindOf(inventory);
  return (await kind?.hold?.(context)) ?? (async () => undefined);
}

export async function machineLeftovers(context: DeployedContext, end: boolean): Promise<Leftovers> {
  if (context.loaded.inventory.kind === "local") return { found: [], unknown: [] };
  return (await kindOf(context.loaded.inventory)).leftovers(context, end);
}

function together(file: string, problems: readonly { machine: string; reason: unknown }[]): Fault {
  const issues = problems.map(({ machine, reason }) => {
    // A bug is thrown as it is.
    if (!(reason instanceof Fault)) throw reason;
    const { message, hint, code } = reason;
    return { path: `machines.${machine}`, message, code, ...(hint === undefined ? {} : { hint }) };
  });
  const count = issues.length === 1 ? "a machine is" : `${issues.length} machines are`;
  const isInput = issues.every(({ code }) => code === "invalid-input");
  const message = `${file}: ${count} not ready; nothing was started`;
  return new Fault(isInput ? "invalid-input" : "cluster-failure", message, {
    issues: issues.map(({ code: _, ...issue }) => issue),
  });
}
