/** `tandem deploy`: the facts of what it writes, and every reason why it cannot, at once. */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Deployment, StatefulSet } from "kubernetes-types/apps/v1.js";
import type { ConfigMap, PodSpec, Service } from "kubernetes-types/core/v1.js";
import type { NetworkPolicy } from "kubernetes-types/networking/v1.js";
import type { PodDisruptionBudget } from "kubernetes-types/policy/v1.js";
import { beforeAll, describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { needs } from "../checks/support/needs.test-support.ts";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { readConfiguration } from "../cluster/containers/container-plan.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { tandemHere } from "./tandem-here.test-support.ts";

const folder = temporaryFolder("deploy");
const tandem = (...words: readonly string[]) => tandemHere(folder, words);
const read = (path: string): string => readFileSync(join(folder, path), "utf8");

const RAG = join(import.meta.dirname, "..", "scenarios", "rag.yaml");

/** Two tasks; detect on two GPUs of each of two machines, read on cores of another. */
const LAB = {
  name: "Traffic_Lab",
  pipelines: {
    p: { tasks: { detect: { model: "detector" }, read: { model: "reader", after: ["detect"] } } },
  },
  models: {
    detector: {
      service: { distribution: "deterministic", meanMs: 5 },
      implementation: { onnx: "models/d.onnx", provider: "cuda" },
    },
    reader: {
      service: { distribution: "deterministic", meanMs: 2 },
      implementation: { name: "plate-reader", threads: 2 },
    },
  },
  cluster: {
    nodes: [
      { name: "gpu", count: 2, devices: { a100: 2 } },
      { name: "box", devices: { cpu: 4 } },
    ],
    replicas: { detect: 4, read: 2 },
    placement: [
      { task: "detect", node: "gpu", replicas: 4 },
      { task: "read", node: "box", replicas: 2 },
    ],
  },
  workload: { arrivals: "poisson", ratePerS: 10, requests: 100 },
};

function written(name: string, scenario: object): string {
  writeFileSync(join(folder, name), JSON.stringify(scenario));
  return name;
}

interface Reservations {
  readonly devices: readonly { readonly device_ids: readonly string[] }[];
}

interface ComposeService {
  readonly image: string;
  readonly command: readonly string[];
  readonly cpus: number;
  readonly cpuset?: string;
  readonly volumes: readonly string[];
  readonly secrets: readonly { readonly source: string; readonly target: string }[];
  readonly deploy?: { readonly resources: { readonly reservations: Reservations } };
  readonly [key: string]: unknown;
}

beforeAll(() => {
  mkdirSync(join(folder, "models"));
  writeFileSync(join(folder, "models/d.onnx"), "weights");
  written("lab.yaml", LAB);
});

describe("deploy compose", () => {
  let services: Readonly<Record<string, ComposeService>>;
  let secrets: Readonly<Record<string, { readonly file: string }>>;
  let stderr: string;

  beforeAll(async () => {
    const words = ["deploy", "compose", "lab.yaml", "--out", "out", "--cores", "0-11"];
    const ended = await tandem(...words, "--memory", "1.5", "--image", "registry.example/t");
    expect(ended.code, ended.stderr).toBe(0);
    stderr = ended.stderr;
    ({ services, secrets } = parse(read("out/compose.yaml"), { version: "1.1" }));
  });

  test("has a gateway, a service for each replica, and a load generator for when it is asked for", () => {
    const workers = ["detect-1", "detect-2", "detect-3", "detect-4", "read-1", "read-2"];
    expect(Object.keys(services)).toEqual(["gateway", ...workers, "load"]);
    expect(services["read-1"].image).toMatch(/^registry\.example\/t-worker:\d/);
    expect(services.load).toMatchObject({ profiles: ["load"], restart: "no" });
    expect(services.gateway.ports).toEqual(["127.0.0.1:8000:8000", "127.0.0.1:8001:8001"]);
  });

  test("lets no process be root, write, or gain rights", () => {
    for (const service of Object.values(services)) {
      expect(service).toMatchObject({
        user: expect.stringMatching(/^[1-9]\d*:\d+$/),
        read_only: true,
        tmpfs: ["/tmp"],
        cap_drop: ["ALL"],
        security_opt: ["no-new-privileges:true"],
      });
    }
  });

  test("gives each container cores, memory and a GPU of its own", () => {
    const cores = Object.values(services).flatMap(({ cpuset }) => cpuset?.split(",") ?? []);
    expect(new Set(cores).size).toBe(cores.length);
    expect(services["read-1"]).toMatchObject({ cpus: 2, cpuset: "5,6", mem_limit: "1536m" });
    const gpus = Object.values(services).flatMap(
      ({ deploy }) => deploy?.resources.reservations.devices ?? [],
    );
    expect(gpus.map(({ device_ids }) => device_ids[0]).toSorted()).toEqual(["0", "1", "2", "3"]);
    expect(gpus[0]).toMatchObject({ driver: "nvidia", capabilities: ["gpu"] });
    expect(stderr).toContain("the scenario's 3 machines become one, with 4 GPUs numbered from 0");
  });

  test("mounts model files only where models read them, and no worker's key elsewhere", () => {
    expect(services["detect-1"].volumes).toContain(`${folder}:/scenario:ro`);
    expect(services["detect-1"].volumes.join()).toMatch(/\/models:\/models\/models:ro/);
    expect(services.gateway.volumes).toEqual(["./tandem.json:/etc/tandem/tandem.json:ro"]);
    const held = Object.entries(services).filter(([, service]) =>
      service.secrets.some(({ target }) => target === "worker.key"),
    );
    expect(held.map(([name]) => name)).not.toContain("gateway");
    expect(held.map(([name]) => name)).not.toContain("load");
    for (const { secrets: used } of Object.values(services)) {
      for (const { source } of used) expect(secrets).toHaveProperty(source);
    }
  });

  test("writes a configuration that gives the gateway every worker, and holds no key", () => {
    const { workers } = readConfiguration(join(folder, "out/tandem.json"));
    expect(workers.map(({ address }) => address)).toEqual(
      Object.keys(services).flatMap((name) =>
        /^(detect|read)-/.test(name) ? [`${name}:9000`] : [],
      ),
    );
    for (const file of ["out/compose.yaml", "out/tandem.json"]) {
      expect(read(file)).not.toContain("PRIVATE KEY");
    }
  });

  test("keeps the authority when it is written again", async () => {
    const authority = read("out/certs/ca.crt");
    const { code } = await tandem("deploy", "compose", "lab.yaml", "--out", "out");
    expect(code).toBe(0);
    expect(read("out/certs/ca.crt")).toBe(authority);
  });

  test("asks for no GPU where times are replayed, and keeps replicas of one slot together", async () => {
    const nodes = [{ name: "box", devices: { cpu: { slots: 1, shared: true } } }];
    const cluster = { nodes, replicas: { detect: 2, read: 1 } };
    const shared = written("shared.yaml", { ...LAB, cluster });
    const ended = await tandem("deploy", "compose", shared, "--backend", "replay", "--json");
    const { workers, directory } = JSON.parse(ended.stdout);
    expect(workers).toHaveLength(1);
    expect(workers[0].replicas).toEqual(["detect-1", "detect-2", "read-1"]);
    expect(readFileSync(join(directory, "compose.yaml"), "utf8")).not.toContain("nvidia");
  });

  test("gives a language model's times and lengths to its containers, and takes a server's engine alone", async () => {
    const rag = (...words: readonly string[]) =>
      tandem("deploy", "compose", RAG, "--out", "rag", ...words);
    expect((await rag("--backend", "replay")).code).toBe(0);
    const { document, inputs } = readConfiguration(join(folder, "rag/tandem.json"));
    expect(compileSystem(document, inputs).pools.map(({ task }) => task)).toContain("write");
    const refused = await rag("--backend", "engines");
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("no llama.cpp")]);
    const steps = { prefill: [5, 3, 0], decode: [5, 0, 10] };
    const outside = written("outside.yaml", {
      ...LAB,
      pipelines: { p: { tasks: { write: { model: "w", tokens: { prompt: 9, output: 9 } } } } },
      models: { w: { tokens: { steps, external: { url: "http://models:8080", model: "m" } } } },
      cluster: { replicas: { write: 1 } },
    });
    const { code } = await tandem("deploy", "compose", outside, "--backend", "engines");
    expect(code).toBe(0);
  });
});

/** Where `kubernetes-types` has the kinds that are written. */
const TYPES = {
  ConfigMap: "core",
  Service: "core",
  Deployment: "apps",
  StatefulSet: "apps",
  NetworkPolicy: "networking",
  PodDisruptionBudget: "policy",
};

interface Kinds {
  readonly ConfigMap: ConfigMap;
  readonly Service: Service;
  readonly Deployment: Deployment;
  readonly StatefulSet: StatefulSet;
  readonly NetworkPolicy: NetworkPolicy;
  readonly PodDisruptionBudget: PodDisruptionBudget;
}

type Manifest = Kinds[keyof Kinds];

/** The compiler's complaints about manifests as values of Kubernetes' types: unknown keys are some. */
function complaints(manifests: readonly Manifest[]): string {
  const imports = Object.entries(TYPES).map(
    ([kind, group]) => `import type { ${kind} } from "kubernetes-types/${group}/v1.js";`,
  );
  const values = manifests.map(
    (manifest, i) => `export const object${i}: ${manifest.kind} = ${JSON.stringify(manifest)};`,
  );
  const root = join(import.meta.dirname, "..");
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "manifests.ts"), [...imports, ...values].join("\n"));
  const options = ["--ignoreConfig", "--noEmit", "--strict", "--skipLibCheck"];
  const module = ["--module", "nodenext", "manifests.ts"];
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const { stdout } = spawnSync(process.execPath, [compiler, ...options, ...module], {
    cwd: folder,
    encoding: "utf8",
  });
  rmSync(join(folder, "node_modules"));
  return stdout;
}

describe("deploy kubernetes", () => {
  let manifests: readonly Manifest[];
  const named = <K extends keyof Kinds>(kind: K, name: string): Kinds[K] => {
    const found = manifests.find((one) => one.kind === kind && one.metadata?.name === name);
    return (found ?? expect.unreachable(`${kind} ${name}`)) as Kinds[K];
  };
  const podOf = (name: string): PodSpec => {
    const kind = name.endsWith("-gateway") ? "Deployment" : "StatefulSet";
    return named(kind, name).spec?.template.spec ?? expect.unreachable(name);
  };
  const labelsOf = (name: string): object => {
    const kind = name.endsWith("-gateway") ? "Deployment" : "StatefulSet";
    return named(kind, name).spec?.template.metadata?.labels ?? expect.unreachable(name);
  };

  beforeAll(async () => {
    const words = ["deploy", "kubernetes", "lab.yaml", "--claim", "files", "--tokens", "t.txt"];
    const ended = await tandem(...words);
    expect(ended.code, ended.stderr).toBe(0);
    manifests = parseAllDocuments(ended.stdout).map((document) => document.toJSON());
  });

  test("prints objects of Kubernetes' own types, with no key that they do not have", () => {
    expect(complaints(manifests)).toBe("");
    const wrong = structuredClone(named("StatefulSet", "traffic-lab-detect-gpu"));
    Object.assign(wrong.spec ?? {}, { podManagmentPolicy: "Parallel" });
    expect(complaints([wrong])).toContain("podManagmentPolicy");
  });

  test("has one gateway, and a StatefulSet for each task and kind of node", () => {
    const names = manifests.map(({ kind, metadata }) => `${kind} ${metadata?.name}`);
    expect(names).toEqual([
      "ConfigMap traffic-lab-scenario",
      "Service traffic-lab-gateway",
      "Deployment traffic-lab-gateway",
      "Service traffic-lab-detect-gpu",
      "StatefulSet traffic-lab-detect-gpu",
      "PodDisruptionBudget traffic-lab-detect-gpu",
      "Service traffic-lab-read-box",
      "StatefulSet traffic-lab-read-box",
      "PodDisruptionBudget traffic-lab-read-box",
      "NetworkPolicy traffic-lab-workers",
      "NetworkPolicy traffic-lab-gateway",
    ]);
    const { spec } = named("StatefulSet", "traffic-lab-detect-gpu");
    expect(spec).toMatchObject({ replicas: 4, serviceName: "traffic-lab-detect-gpu" });
    // Ready comes before the gateway has found a new pod.
    expect(spec?.minReadySeconds).toBeGreaterThan(2);
    const budget = named("PodDisruptionBudget", "traffic-lab-detect-gpu").spec;
    expect(budget?.maxUnavailable).toBe(1);
    expect(labelsOf("traffic-lab-detect-gpu")).toMatchObject(budget?.selector?.matchLabels ?? {});
    expect(podOf("traffic-lab-detect-gpu").nodeSelector).toEqual({ "tandem/node": "gpu" });
    expect(named("Service", "traffic-lab-detect-gpu").spec?.clusterIP).toBe("None");
  });

  test("takes namespace, selectors and GPUs of an inventory", async () => {
    const toleration = { key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" };
    const gpu = { selector: { accelerator: "a100" }, gpus: "nvidia.com/mig-1g.5gb" };
    const inventory = {
      kind: "kubernetes",
      namespace: "lab",
      pullSecrets: ["registry"],
      image: "example.org:5000/t:2",
      nodes: { gpu: { ...gpu, tolerations: [toleration] } },
    };
    writeFileSync(join(folder, "k8s.yaml"), JSON.stringify(inventory));
    writeFileSync(join(folder, "here.yaml"), "kind: local\n");
    const words = ["deploy", "kubernetes", "lab.yaml", "--claim", "files", "--json", "--out"];
    const ended = await tandem(...words, "on", "--on", "k8s.yaml");
    expect(ended.code, ended.stderr).toBe(0);
    const [detect, other] = parseAllDocuments(read("on/workers.yaml"))
      .map((document) => document.toJSON() as Manifest)
      .filter(({ kind }) => kind === "StatefulSet") as Kinds["StatefulSet"][];
    expect(detect.metadata?.namespace).toBe("lab");
    const pod = detect.spec?.template.spec;
    expect(pod?.nodeSelector).toEqual({ accelerator: "a100" });
    expect(pod?.tolerations).toEqual([toleration]);
    expect(pod?.imagePullSecrets).toEqual([{ name: "registry" }]);
    expect(pod?.containers[0].image).toBe("example.org:5000/t-worker:2");
    expect(ended.stdout).toContain("example.org:5000/t-gateway:2");
    const [spread] = pod?.topologySpreadConstraints ?? [];
    expect(detect.spec?.template.metadata?.labels).toMatchObject(
      spread?.labelSelector?.matchLabels ?? {},
    );
    expect(pod?.containers[0].resources?.limits).toHaveProperty(["nvidia.com/mig-1g.5gb"], "1");
    expect(other.spec?.template.spec?.nodeSelector).toEqual({ "tandem/node": "box" });
    expect(read("on/secrets.sh")).toContain("--namespace lab");
    const wrong = await tandem(...words, "none", "--on", "here.yaml");
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("of kind local")]);
  });

  test("gives each worker its GPU, cores, probes on gRPC health, and nothing to write on", () => {
    const [gpu, box] = ["traffic-lab-detect-gpu", "traffic-lab-read-box"].map(podOf);
    expect(gpu.containers[0].resources?.limits).toMatchObject({ "nvidia.com/gpu": "1", cpu: "1" });
    expect(box.containers[0].resources?.limits).toEqual({ cpu: "2", memory: "2048Mi" });
    for (const pod of [gpu, box, podOf("traffic-lab-gateway")]) {
      expect(pod.securityContext).toMatchObject({ runAsNonRoot: true });
      expect(pod.containers[0]).toMatchObject({
        securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
        startupProbe: { grpc: { port: 9090, service: "live" } },
        readinessProbe: { grpc: { port: 9090, service: "" } },
        livenessProbe: { grpc: { port: 9090, service: "live" } },
      });
      expect(pod.containers[0].args).toEqual(expect.arrayContaining(["--health-port", "9090"]));
    }
  });

  test("lets only the gateway reach workers, whose pods the policies and Services select", () => {
    const policy = named("NetworkPolicy", "traffic-lab-workers").spec;
    const gateway = labelsOf("traffic-lab-gateway");
    const worker = labelsOf("traffic-lab-read-box");
    const from = policy?.ingress?.flatMap((rule) => rule.from ?? []);
    expect(from).toHaveLength(1);
    expect(gateway).toMatchObject(from?.[0].podSelector?.matchLabels ?? {});
    expect(worker).not.toMatchObject(from?.[0].podSelector?.matchLabels ?? {});
    expect(worker).toMatchObject(policy?.podSelector.matchLabels ?? {});
    expect(policy?.egress).toEqual([]);
    expect(worker).toMatchObject(named("Service", "traffic-lab-read-box").spec?.selector ?? {});
    expect(gateway).toMatchObject(named("Service", "traffic-lab-gateway").spec?.selector ?? {});
  });

  test("names Secrets and holds none", () => {
    expect(manifests.map(({ kind }) => kind)).not.toContain("Secret");
    const { volumes = [] } = podOf("traffic-lab-gateway");
    expect(volumes.flatMap(({ secret }) => secret?.secretName ?? [])).toEqual([
      "traffic-lab-gateway-tls",
      "traffic-lab-tokens",
    ]);
  });

  test("writes a configuration of pods by their host names", () => {
    const file = join(folder, "configuration.json");
    writeFileSync(file, named("ConfigMap", "traffic-lab-scenario").data?.["tandem.json"] ?? "");
    const { workers } = readConfiguration(file);
    expect(workers[3]).toEqual({
      name: "traffic-lab-detect-gpu-3",
      replicas: ["detect-4"],
      address: "traffic-lab-detect-gpu-3.traffic-lab-detect-gpu:9000",
    });
  });

  test.skipIf(!needs("kubectl", spawnSync("kubectl", ["version", "--client"]).status === 0))(
    "writes a folder that kustomize reads, and a script that makes the Secrets",
    async () => {
      const words = ["deploy", "kubernetes", "lab.yaml", "--claim", "files", "--out", "k8s"];
      const { code } = await tandem(...words, "--namespace", "vision");
      expect(code).toBe(0);
      const { stdout, stderr } = spawnSync("kubectl", ["kustomize", join(folder, "k8s")], {
        encoding: "utf8",
      });
      const objects = parseAllDocuments(stdout).map((document) => document.toJSON() as Manifest);
      expect(objects, stderr).toHaveLength(11);
      expect(objects.map(({ metadata }) => metadata?.namespace)).toEqual(Array(11).fill("vision"));
      expect(readdirSync(join(folder, "k8s"))).toContain("secrets.sh");
      expect(spawnSync("sh", ["-n", join(folder, "k8s/secrets.sh")]).status).toBe(0);
      expect(read("k8s/secrets.sh")).toContain("traffic-lab-read-box-1.traffic-lab-read-box");
    },
  );
});

test("secrets.sh calls this installation's command, and fails where a command of it does", async () => {
  const words = ["deploy", "kubernetes", "lab.yaml", "--claim", "files", "--out", "secrets"];
  expect((await tandem(...words)).code).toBe(0);
  const commands = join(folder, "commands");
  mkdirSync(commands);
  /** A kubectl that makes no Secret, and would apply whatever it is given. */
  const kubectl = '#!/bin/sh\ncase "$*" in *--dry-run*) exit 3;; esac\ncat > "$APPLIED"\n';
  writeFileSync(join(commands, "kubectl"), kubectl, { mode: 0o755 });
  const applied = join(folder, "applied");
  const env = { ...process.env, PATH: `${commands}:${process.env.PATH}`, APPLIED: applied };
  const script = join(folder, "secrets/secrets.sh");
  const { status, stdout } = spawnSync("sh", [script, "keys"], {
    cwd: folder,
    env,
    encoding: "utf8",
  });
  expect([status, existsSync(applied)]).toEqual([3, false]);
  expect(stdout).toContain("keys");
  expect(readdirSync(join(folder, "keys"))).toContain("worker.key");
});

describe("what cannot be deployed", () => {
  test("is said all at once, with lines, before anything is written", async () => {
    const scenario = `
name: bad
pipelines: { p: { tasks: { a: { model: m }, b: { model: n }, c: { model: o } } } }
models:
  m: { service: { distribution: deterministic, meanMs: 1 } }
  n:
    service: { distribution: deterministic, meanMs: 1 }
    implementation: { onnx: ../elsewhere/n.onnx, provider: cuda }
  o:
    service: { distribution: deterministic, meanMs: 1 }
    implementation: { onnx: ../elsewhere/o.onnx, provider: cuda }
cluster:
  nodes: [ { name: box, devices: { gpu: { slots: 1, shared: true } } } ]
  replicas: { a: 1, b: 1, c: 1 }
workload: { arrivals: poisson, ratePerS: 1, requests: 10 }
`;
    mkdirSync(join(folder, "bad"));
    mkdirSync(join(folder, "elsewhere"));
    for (const name of ["n", "o"]) writeFileSync(join(folder, `elsewhere/${name}.onnx`), "x");
    writeFileSync(join(folder, "bad/bad.yaml"), scenario);
    const { code, stderr } = await tandem("deploy", "kubernetes", "bad/bad.yaml", "--out", "none");
    expect(code).toBe(2);
    expect(stderr).toMatch(/bad\.yaml:5 models\.m: the real backend needs an implementation/);
    expect(stderr).toMatch(/bad\.yaml:8 .*n\.onnx lies outside the scenario's folder/);
    expect(stderr).toMatch(/bad\.yaml:11 .*o\.onnx lies outside the scenario's folder/);
    expect(stderr).toMatch(/share GPUs, and Kubernetes gives each pod GPUs of its own/);
    expect(stderr).toMatch(/workers read model files, and no volume holds them/);
    expect(readdirSync(folder)).not.toContain("none");
    const cores = ["--backend", "replay", "--cores", "0-1", "--replicas-per-worker", "1"];
    const few = await tandem("deploy", "compose", "lab.yaml", ...cores);
    expect(few.stderr).toMatch(/--cores has 2 cores, and gateway and 6 workers need 9/);
  });

  test.each([
    [["--cores", "3-1"], /--cores 3-1: expected distinct cores/],
    [["--user", "me"], /--user me: expected uid:gid/],
    [["--memory", "0", "--cpus", "-1"], /--cpus: expected a number above 0, got -1; --memory/],
    [
      ["--port", "99999", "--backend", "replay"],
      /--port: expected a number up to 65534, got 99999/,
    ],
  ])("is refused for %j", async (words, message) => {
    const { code, stderr } = await tandem("deploy", "compose", "lab.yaml", ...words);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  test("is refused for a namespace that Kubernetes would refuse", async () => {
    const words = ["--backend", "replay", "--namespace", "My Lab", "--out", "none"];
    const { code, stderr } = await tandem("deploy", "kubernetes", "lab.yaml", ...words);
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining('--namespace: expected a name of a namespace, got "My Lab"'),
    ]);
    expect(readdirSync(folder)).not.toContain("none");
  });
});
