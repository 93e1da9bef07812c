/** Command lines for Docker, without a daemon. */
import { describe, expect, test } from "vitest";
import { coresIn, readInventory, replicaPlaces } from "../../../core/inventory/read-inventory.ts";
import { twoTasks } from "../../deployment.test-support.ts";
import { workerShipment } from "../shipment.ts";
import { DOCKER, dockerWords, runWords, workerImage } from "./docker-machine.ts";

const CONTAINER = {
  name: "tandem-1-worker-1-1",
  deployment: "id-1",
  image: "tandem-worker:1",
  network: "host",
  nodeVersion: "22.1.0",
  program: "worker" as const,
  process: { name: "worker-1", slot: {} },
};

/** The words before the image. */
const optionsOf = (container: Partial<typeof CONTAINER> | object): string => {
  const words = runWords({ ...CONTAINER, ...container });
  return words.slice(0, words.indexOf("tandem-worker:1")).join(" ");
};

describe("a worker's container", () => {
  test("ends with its standard input, is removed, and can be found by its deployment", () => {
    const words = optionsOf({});
    for (const option of ["--rm", "--interactive", "--label tandem.deployment=id-1"]) {
      expect(words).toContain(option);
    }
    expect(runWords(CONTAINER).slice(-2)).toEqual(["--stdio", "--deployment=id-1"]);
  });

  test("runs the program whose digest is compared with this one's", () => {
    expect(runWords(CONTAINER)).toContain("/app/dist/cluster-bundle/cluster/worker/main.js");
    expect([...workerShipment(false).files.keys()]).toContain("cluster/worker/main.js");
  });

  test("cannot write, gain rights, or fetch an image", () => {
    expect(optionsOf({})).toContain(
      "--read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges:true",
    );
    expect(optionsOf({})).toContain("--pull never");
  });

  test("has the cores, memory and GPU of its slot, and no more", () => {
    expect(optionsOf({})).not.toMatch(/--cpus|--memory|--gpus|--publish|--volume/);
    const process = { name: "worker-1", slot: { gpu: "GPU-1a" } };
    const words = optionsOf({ process, cores: "0-2,5", memoryMb: 800, mounts: { "/a": "/b" } });
    expect(words).toContain("--cpuset-cpus 0-2,5 --cpus 4 --memory 800m --gpus device=GPU-1a");
    expect(words).toContain("--volume /b:/a:ro");
    expect(coresIn("0-2,5")).toEqual([0, 1, 2, 5]);
  });

  test("is published where it does not share the machine's network", () => {
    expect(optionsOf({ network: "lab", publish: "10.0.0.2:7001" })).toContain(
      "--publish 10.0.0.2:7001:9000",
    );
  });

  test("gets options that its own Node knows", () => {
    expect(runWords(CONTAINER).join(" ")).not.toContain("--interrupt-budget=");
    expect(runWords({ ...CONTAINER, nodeVersion: "20.19.0" }).join(" ")).toContain(
      "--interrupt-budget=",
    );
  });
});

test.each([
  ["tandem", "tandem-worker:1.2.3"],
  ["registry.example:5000/lab/tandem", "registry.example:5000/lab/tandem-worker:1.2.3"],
  ["registry.example:5000/own:7", "registry.example:5000/own:7"],
  ["own@sha256:ab", "own@sha256:ab"],
])("image %s is %s", (image, full) => {
  expect(workerImage(image, "1.2.3")).toBe(full);
});

test("a machine has its own daemon, or the environment's", () => {
  expect(dockerWords({})).toEqual(["docker"]);
  expect(dockerWords({ docker: "ssh://me@box" })).toEqual(["docker", "--host", "ssh://me@box"]);
});

test("only machines that replicas need are opened, each once", async () => {
  const text = "kind: docker\nmachines: { a: {}, b: { address: 10.0.0.2 }, c: {}, d: {} }\n";
  const machines = await DOCKER.open({
    loaded: readInventory(text, "lab.yaml"),
    deployment: "id",
    models: null,
    backend: "replay",
    onEvent: () => undefined,
    places: replicaPlaces(twoTasks()),
  });
  expect(machines.all.map(({ name }) => name)).toEqual(["a", "b", "c"]);
  expect(machines.hosts).toEqual(["10.0.0.2"]);
  expect(machines.leaseMs).toBe(30_000);
});
