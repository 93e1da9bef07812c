/** Kind `docker`: a container for each worker, on this machine or on another with a Docker daemon. */
import { createRequire } from "node:module";
import { machineFor, type ReplicaPlace } from "../../../core/inventory/read-inventory.ts";
import type { SlotPlace } from "../../../core/inventory/schema.ts";
import type { Machine, MachineKind } from "../machine.ts";
import { type DockerInventory, dockerWords, listWords } from "./docker-command.ts";
import { DockerMachine } from "./docker-machine.ts";
import { removeContainers, runDocker } from "./run-docker.ts";

export const DOCKER: MachineKind = {
  async open({ loaded, deployment, places, models, signal }) {
    const inventory = loaded.inventory as DockerInventory;
    const byName = new Map<string, Machine>();
    for (const place of places) {
      const name = machineFor(inventory, place);
      if (byName.has(name)) continue;
      const slots = places
        .filter((other) => machineFor(inventory, other) === name)
        .map((other) => slotFor(inventory, other));
      const shared = { inventory, deployment, models, signal, version: ownVersion() };
      byName.set(name, new DockerMachine({ ...shared, name, slots }));
    }
    return {
      all: [...byName.values()],
      at: (place) => ({
        machine: byName.get(machineFor(inventory, place)) as Machine,
        slot: slotFor(inventory, place),
      }),
      hosts: Object.values(inventory.machines).flatMap(({ address }) => address ?? []),
      gateway: null,
      leaseMs: inventory.leaseS * 1000,
      close: async () => undefined,
    };
  },

  async leftovers({ loaded, deployment }, end) {
    const { machines } = loaded.inventory as DockerInventory;
    const found: string[] = [];
    const unknown: string[] = [];
    await Promise.all(
      Object.entries(machines).map(async ([name, document]) => {
        const host = { name, docker: dockerWords(document) };
        try {
          const listed = (await runDocker(host, listWords(deployment))).split("\n");
          const names = listed.filter((one) => one !== "");
          found.push(...names.map((container) => `container ${container} on ${name}`));
          if (end) await removeContainers(host, names);
        } catch (error) {
          unknown.push((error as Error).message);
        }
      }),
    );
    return { found, unknown };
  },
};

function slotFor(inventory: DockerInventory, place: ReplicaPlace): SlotPlace {
  return (
    inventory.machines[machineFor(inventory, place)].devices?.[place.device]?.[place.slot] ?? {}
  );
}

/** Of this program: the manifest is three levels up from here, and four from dist/. */
function ownVersion(): string {
  const require = createRequire(import.meta.url);
  const manifest = import.meta.url.includes("/dist/")
    ? "../../../../package.json"
    : "../../../package.json";
  return (require(manifest) as { version: string }).version;
}
