/** Kind `docker`: a container for each worker, on this machine or on another with a Docker daemon. */
import { VERSION } from "../../../build/version.ts";
import { askEach, listedMachines, type MachineKind } from "../machine.ts";
import { type DockerInventory, dockerWords, listWords } from "./docker-command.ts";
import { DockerMachine } from "./docker-machine.ts";
import { removeContainers, runDocker } from "./run-docker.ts";

export const DOCKER: MachineKind = {
  async open({ loaded, deployment, places, models, signal }) {
    const inventory = loaded.inventory as DockerInventory;
    const shared = { inventory, deployment, models, signal, version: VERSION };
    const { working, ...listed } = listedMachines(
      inventory,
      places,
      (name, slots) => new DockerMachine({ ...shared, name, slots }),
    );
    const hosts = working.flatMap((name) => inventory.machines[name].address ?? []);
    return { ...listed, hosts, close: async () => undefined };
  },

  leftovers({ loaded, deployment }, end) {
    const { machines } = loaded.inventory as DockerInventory;
    return askEach(Object.keys(machines), async (name) => {
      const host = { name, docker: dockerWords(machines[name]) };
      const listed = (await runDocker(host, listWords(deployment))).split("\n");
      const names = listed.filter((one) => one !== "");
      if (end) await removeContainers(host, names);
      return names.map((container) => `container ${container} on ${name}`);
    });
  },
};
