/** Kind `ssh`: machines of a lab behind the OpenSSH client of this one. Start here. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { machineFor, type ReplicaPlace } from "../../../core/inventory/read-inventory.ts";
import type { SlotPlace } from "../../../core/inventory/schema.ts";
import type { Machine, MachineContext, MachineKind } from "../machine.ts";
import { gatewayShipment, modelShipment, workerShipment } from "../shipment.ts";
import { leftoverPids, leftoverScript } from "./remote-script.ts";
import { type RemoteHost, runRemote } from "./run-remote.ts";
import { type SshInventory, sshWords } from "./ssh-command.ts";
import { SshGateway } from "./ssh-gateway.ts";
import { SshMachine } from "./ssh-machine.ts";

export const SSH: MachineKind = {
  async open(context) {
    const { loaded, deployment, places, backend, onEvent, signal } = context;
    const inventory = loaded.inventory as SshInventory;
    const native = backend !== "replay";
    const program = workerShipment(native);
    const models = context.models === null ? null : modelShipment(context.models);
    // Short: the path of a socket has at most 107 characters.
    const sockets = mkdtempSync(join(tmpdir(), "tandem-"));
    const byName = new Map<string, SshMachine>();
    const slotsOf = slotsByMachine(inventory, places);
    const used = new Set([...slotsOf.keys(), ...[inventory.gateway ?? []].flat()]);
    for (const name of used) {
      const remote = remoteHost(context, name);
      const own = join(sockets, String(byName.size));
      const gateway = name === inventory.gateway ? gatewayShipment() : null;
      const shared = { inventory, deployment, program, native, models, gateway, onEvent, signal };
      const slots = slotsOf.get(name) ?? [];
      byName.set(name, new SshMachine({ ...shared, remote, slots, sockets: `${own}-` }));
    }
    const gateway = gatewayOn(context, byName);
    return {
      gateway,
      all: [...byName.values()],
      at: (place) => ({
        machine: byName.get(machineFor(inventory, place)) as Machine,
        slot: slotFor(inventory, place),
      }),
      hosts: Object.entries(inventory.machines).flatMap(([name, { host = name, address }]) => [
        address ?? host,
      ]),
      leaseMs: inventory.leaseS * 1000,
      close: async () => {
        gateway?.close();
        rmSync(sockets, { recursive: true, force: true });
      },
    };
  },

  async leftovers(context, end) {
    const inventory = context.loaded.inventory as SshInventory;
    const asked = await Promise.all(
      Object.keys(inventory.machines).map(async (name) => {
        const words = ["sh", "-s", "-", context.deployment, end ? "end" : "look"];
        try {
          const { stdout } = await runRemote(remoteHost(context, name), words, leftoverScript());
          const pids = leftoverPids(stdout);
          if (pids === null) return { found: [], unknown: [`${name}: its shell ran no script`] };
          return { found: pids.map((pid) => `a process on ${name}, pid ${pid}`), unknown: [] };
        } catch (error) {
          return { found: [], unknown: [(error as Error).message] };
        }
      }),
    );
    return {
      found: asked.flatMap(({ found }) => found),
      unknown: asked.flatMap(({ unknown }) => unknown),
    };
  },
};

function gatewayOn(
  context: MachineContext,
  machines: ReadonlyMap<string, SshMachine>,
): SshGateway | null {
  const { gateway, connectTimeoutS } = context.loaded.inventory as SshInventory;
  const machine = machines.get(gateway ?? "");
  if (machine === undefined) return null;
  return new SshGateway(machine, {
    remote: remoteHost(context, machine.name),
    timeoutMs: 2000 * connectTimeoutS,
    onEvent: context.onEvent,
  });
}

function remoteHost({ loaded }: Pick<MachineContext, "loaded">, name: string): RemoteHost {
  const inventory = loaded.inventory as SshInventory;
  const machine = inventory.machines[name];
  return { name, host: machine.host ?? name, ssh: sshWords(inventory, machine, loaded.file) };
}

function slotFor(inventory: SshInventory, place: ReplicaPlace): SlotPlace {
  const { devices = {} } = inventory.machines[machineFor(inventory, place)];
  return devices[place.device]?.[place.slot] ?? {};
}

function slotsByMachine(
  inventory: SshInventory,
  places: readonly ReplicaPlace[],
): ReadonlyMap<string, readonly SlotPlace[]> {
  const found = new Map<string, SlotPlace[]>();
  for (const place of places) {
    const name = machineFor(inventory, place);
    found.set(name, [...(found.get(name) ?? []), slotFor(inventory, place)]);
  }
  return found;
}
