/** A deployment and a sweep on a real Kubernetes. Each test goes on from the state that the one before left. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Pod } from "kubernetes-types/core/v1.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { needs } from "../checks/support/needs.test-support.ts";
import { canRunDocker, DockerHere } from "../cluster/containers/docker-here.test-support.ts";
import {
  type Ended,
  hasKubernetes,
  KubernetesHere,
} from "../cluster/containers/kubernetes-here.test-support.ts";

const CLI = join(import.meta.dirname, "../dist/cli/tandem.js");
const PATIENCE_MS = 120_000;
const ROLES = ["gateway", "worker", "tandem"];
const isHere = hasKubernetes() && needs("root with dockerd and docker (docker.io)", canRunDocker());

const SCENARIO = `
name: lab
pipelines: { p: { tasks: { detect: { model: m }, plate: { model: m, after: [detect] } } } }
models:
  m:
    service: { distribution: deterministic, meanMs: 5 }
    implementation: { name: no-op }
cluster: { nodes: [{ name: box, devices: { cpu: 4 } }], replicas: { detect: 2, plate: 2 } }
workload: { arrivals: poisson, ratePerS: 10, requests: 100, client: { timeoutMs: 100000 } }
`;

const ALL_ANSWERED = { completed: 100, refused: 0, dropped: 0, failed: 0, cancelled: 0 };

const SWEEP = `
name: swept
pipelines: { p: { tasks: { serve: { model: m } } } }
models: { m: { service: { distribution: exponential, meanMs: 10 } } }
cluster: { replicas: { serve: 2 } }
workload: { arrivals: poisson, ratePerS: 100, requests: 2000 }
sweep: { workload.ratePerS: [61, 65, 69] }
`;

const INVENTORY = {
  kind: "kubernetes",
  namespace: "lab",
  image: "docker.io/library/tandem:test",
  nodes: {
    box: { selector: { disk: "fast" }, tolerations: [{ key: "only", operator: "Exists" }] },
  },
};

const options = { timeout: PATIENCE_MS * 4 };
describe.skipIf(!isHere)("on Kubernetes", options, () => {
  let lab: KubernetesHere;

  beforeAll(async () => {
    const docker = new DockerHere();
    try {
      await docker.start();
      docker.build(ROLES, "test");
      const images = join(docker.folder, "images.tar");
      docker.save(images, ROLES, "test");
      lab = await KubernetesHere.start(images);
    } finally {
      await docker.close();
    }
  }, 600_000);
  afterAll(() => lab?.close());

  const write = (name: string, text: string): void => writeFileSync(join(lab.folder, name), text);
  const run = (...words: readonly string[]): Promise<Ended> =>
    lab.run(process.execPath, CLI, ...words);
  const kubectl = (...words: readonly string[]): Promise<string> => lab.kubectl(...words);

  /** Its output. */
  async function tandem(...words: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await run(...words);
    expect(code, stderr).toBe(0);
    return stdout;
  }

  async function eventually(state: string, holds: () => Promise<boolean>): Promise<void> {
    const giveUpAt = Date.now() + PATIENCE_MS;
    while (!(await holds())) {
      if (Date.now() > giveUpAt) {
        const events = await kubectl("get", "events", "--sort-by=.lastTimestamp");
        expect.unreachable(`in time: ${state}; events: ${events.slice(-2000)}`);
      }
      await sleep(500);
    }
  }

  const pods = async (): Promise<readonly Pod[]> =>
    JSON.parse(await kubectl("get", "pods", "--output=json")).items;
  const podNamed = async (name: string): Promise<Pod | undefined> =>
    (await pods()).find(({ metadata }) => metadata?.name === name);
  const hasCondition = ({ status }: Pod, type: string, holds: "True" | "False"): boolean =>
    status?.conditions?.some((one) => one.type === type && one.status === holds) ?? false;
  const allReady = async (): Promise<boolean> => {
    const now = await pods();
    return now.length === 5 && now.every((pod) => hasCondition(pod, "Ready", "True"));
  };

  /** The outcomes of the scenario's 100 requests. */
  async function outcomes(): Promise<unknown> {
    const { stdout, stderr } = await run(
      ...["load", "s.yaml", "--url", "localhost:8001", "--certs", "certs", "--json"],
    );
    expect(stdout, stderr).not.toBe("");
    return JSON.parse(stdout).outcomes;
  }

  const answersAll = async (): Promise<void> => expect(await outcomes()).toEqual(ALL_ANSWERED);

  test("pods start on the nodes that the inventory names", async () => {
    write("s.yaml", SCENARIO);
    write("k.yaml", JSON.stringify(INVENTORY));
    const small = ["--cpus", "0.2", "--memory", "0.25", "--gateway-memory", "0.5"];
    await tandem("deploy", "kubernetes", "s.yaml", "--on", "k.yaml", "--out", "k8s", ...small);
    await kubectl("create", "namespace", "lab");
    await kubectl("config", "set-context", "--current", "--namespace=lab");
    const secrets = await lab.run("sh", "k8s/secrets.sh");
    expect(secrets.code, secrets.stderr).toBe(0);
    await kubectl("apply", "--kustomize", "k8s");
    await eventually("the gateway runs, workers have no node", async () => {
      const scheduled = (await pods()).map((pod) => hasCondition(pod, "PodScheduled", "True"));
      return scheduled.length === 5 && scheduled.filter((one) => one).length === 1;
    });
    await kubectl("taint", "node", "node", "only=tandem:NoSchedule");
    await kubectl("label", "node", "node", "disk=fast");
    await eventually("all pods are ready", allReady);
    lab.spawn("kubectl", "port-forward", "service/lab-gateway", "8001");
    await answersAll();
  });

  test("a rolling restart refuses no request, and takes a pod when the last one has rejoined", async () => {
    const before = Date.now();
    let isOver = false;
    const restart = kubectl("rollout", "restart", "statefulset/lab-plate-box")
      .then(() => kubectl("rollout", "status", "statefulset/lab-plate-box"))
      .finally(() => {
        isOver = true;
      });
    const told: unknown[] = [];
    while (!isOver) told.push(await outcomes());
    await restart;
    expect(told).toEqual(told.map(() => ALL_ANSWERED));
    const lines = (await kubectl("logs", "deployment/lab-gateway")).split("\n");
    const turns = lines
      .filter((line) => line.includes('"replica":'))
      .map((line) => JSON.parse(line) as { time: string; replica: string; msg: string })
      .filter(({ time }) => Date.parse(time) > before);
    expect(turns.map(({ msg, replica }) => `${replica}: ${msg}`)).toEqual([
      "plate-2: replica lost",
      "plate-2: replica joined",
      "plate-1: replica lost",
      "plate-1: replica joined",
    ]);
    for (const [name, { time }] of [
      ["lab-plate-box-1", turns[1]],
      ["lab-plate-box-0", turns[3]],
    ] as const) {
      const conditions = (await podNamed(name))?.status?.conditions ?? [];
      const ready = conditions.find(({ type }) => type === "Ready")?.lastTransitionTime;
      const seconds = (Date.parse(time) - Date.parse(ready ?? "")) / 1000;
      console.log(`${name} joined ${seconds.toFixed(1)} s after it was ready (to the second)`);
      // grpc-js alone would ask for the name again after 30 s.
      expect(seconds).toBeLessThan(10);
    }
  });

  test("a budget lets one worker of a set be evicted at a time", async () => {
    const evict = (name: string): Promise<Ended> => {
      write(
        "e.json",
        JSON.stringify({ apiVersion: "policy/v1", kind: "Eviction", metadata: { name } }),
      );
      const path = `/api/v1/namespaces/lab/pods/${name}/eviction`;
      return lab.run("kubectl", "create", `--raw=${path}`, "--filename=e.json");
    };
    await eventually("all pods are ready", allReady);
    expect((await evict("lab-plate-box-0")).code).toBe(0);
    expect((await evict("lab-plate-box-1")).stderr).toContain("disruption budget");
    await answersAll();
    await eventually("all pods are ready again", allReady);
  });

  test("a pod beyond its set waits until it is scaled away", async () => {
    await kubectl("scale", "statefulset/lab-detect-box", "--replicas=3");
    const beyond = () => podNamed("lab-detect-box-2");
    const hasStarted = (pod?: Pod): boolean => pod?.status?.containerStatuses?.[0].started ?? false;
    await eventually("the third pod has started", async () => hasStarted(await beyond()));
    const pod = await beyond();
    expect(pod?.status?.containerStatuses?.[0]).toMatchObject({ restartCount: 0, ready: false });
    expect(await kubectl("logs", "lab-detect-box-2")).toContain("has no replica in the scenario");
    await answersAll();
    await kubectl("scale", "statefulset/lab-detect-box", "--replicas=2");
    await eventually("the third pod is gone", async () => (await beyond()) === undefined);
    expect(await allReady()).toBe(true);
  });

  test("a sweep says why it waits, then gathers to the bytes of one process", async () => {
    const volume = join(lab.folder, "volume");
    mkdirSync(volume);
    write("volume/sweep.yaml", SWEEP);
    const image = "docker.io/library/tandem-tandem:test";
    const inventory = { ...INVENTORY, image, claim: "sweeps", mounted: volume };
    write("volume/k.yaml", JSON.stringify(inventory));
    write("claim.json", JSON.stringify(claimOn(volume)));
    await kubectl("apply", "--filename=claim.json");
    await kubectl(
      ...["wait", "persistentvolumeclaim/sweeps", "--for=jsonpath={.status.phase}=Bound"],
      "--timeout=180s",
    );
    const there = async (...words: readonly string[]): Promise<string> => {
      const program = ["--chdir=volume", process.execPath, CLI];
      const { code, stdout, stderr } = await lab.run("env", ...program, ...words);
      expect(code, stderr).toBe(0);
      return stdout;
    };
    const status = async () => JSON.parse(await there("sweep", "status", "s", "--json"));
    await there("simulate", "sweep.yaml", "--out", "plain", "--workers", "1");
    const on = ["--on", "k.yaml", "--shards", "3"];
    await there("simulate", "sweep.yaml", ...on, "--out", "s", "--detach");
    await eventually("a reason", async () => /untolerated taint/.test((await status()).reason));
    // The node has few processors.
    await kubectl("delete", "--kustomize", "k8s");
    await kubectl("taint", "node", "node", "only-");
    await eventually("all shards have finished", async () => (await status()).finished === 3);
    await there("gather", "s");
    const names = readdirSync(join(volume, "plain")).filter((name) => name !== "provenance.json");
    expect(names).toContain("results.json");
    for (const name of names) {
      const bytes = (out: string): string => readFileSync(join(volume, out, name), "hex");
      expect(bytes("s"), name).toBe(bytes("plain"));
    }
  });
});

/** A volume that is a folder, and a claim on it. */
function claimOn(path: string) {
  const shared = { accessModes: ["ReadWriteMany"], storageClassName: "" };
  const size = { storage: "1Gi" };
  return {
    apiVersion: "v1",
    kind: "List",
    items: [
      {
        apiVersion: "v1",
        kind: "PersistentVolume",
        metadata: { name: "sweeps" },
        spec: { ...shared, capacity: size, hostPath: { path } },
      },
      {
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        metadata: { name: "sweeps" },
        spec: { ...shared, volumeName: "sweeps", resources: { requests: size } },
      },
    ],
  };
}
