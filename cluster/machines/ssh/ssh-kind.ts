/** Kind `ssh`: machines of a lab behind the OpenSSH client of this one. Start here. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../../core/fault.ts";
import { ownFolder } from "../../processes/own-folder.ts";
import { askEach, listedMachines, type MachineContext, type MachineKind } from "../machine.ts";
import { gatewayShipment, modelShipment, workerShipment } from "../shipment.ts";
import { leftoverPids, leftoverScript } from "./remote-script.ts";
import { type RemoteHost, runRemote } from "./run-remote.ts";
import { addressOf, type SshInventory, sshWords } from "./ssh-command.ts";
import { SshMachine } from "./ssh-machine.ts";

export const SSH: MachineKind = {
  async open(context) {
    const { loaded, deployment, places, backend, onEvent, signal } = context;
    const inventory = loaded.inventory as SshInventory;
    const native = backend !== "replay";
    const program = workerShipment(native);
    const models = context.models === null ? null : modelShipment(context.models);
    const sockets = mkdtempSync(join(ownFolder(), "s"));
    const shared = { inventory, deployment, program, native, models, onEvent, signal };
    const { working, ...listed } = listedMachines(
      inventory,
      places,
      (name, slots, number) =>
        new SshMachine({
          ...{ ...shared, slots, remote: remoteHost(context, name) },
          gateway: name === inventory.gateway ? gatewayShipment() : null,
          sockets: `${join(sockets, String(number))}-`,
        }),
    );
    // A tunnel's end is a socket here.
    const reached = inventory.reach === "direct" ? working : [];
    return {
      ...listed,
      hosts: reached.map((name) => addressOf(inventory, name)),
      close: async () => rmSync(sockets, { recursive: true, force: true }),
    };
  },

  leftovers(context, end) {
    const { machines } = context.loaded.inventory as SshInventory;
    return askEach(Object.keys(machines), async (name) => {
      const words = ["sh", "-s", "-", context.deployment, end ? "end" : "look"];
      const { stdout } = await runRemote(remoteHost(context, name), words, leftoverScript());
      const pids = leftoverPids(stdout);
      if (pids === null) throw new Fault("cluster-failure", `${name}: its shell ran no script`);
      return pids.map((pid) => `a process on ${name}, pid ${pid}`);
    });
  },
};

function remoteHost({ loaded }: Pick<MachineContext, "loaded">, name: string): RemoteHost {
  const inventory = loaded.inventory as SshInventory;
  const machine = inventory.machines[name];
  const { host = name, jump } = machine;
  return { name, host, jump, ssh: sshWords(inventory, machine, loaded.file) };
}
