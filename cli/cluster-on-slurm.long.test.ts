/** A cluster whose workers are steps of a Slurm job: up, loaded, hurt, recovered, down, nothing left. */
import { spawnSync } from "node:child_process";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { MESSAGE_COSTS } from "../checks/support/message-costs.test-support.ts";
import { writeScenes } from "../checks/support/scenes.test-support.ts";
import { hasSlurm, SlurmLab } from "../checks/support/slurm-lab.test-support.ts";
import { Workplace } from "../sweep/command-line.test-support.ts";
import { type Ended, tandemHere } from "./tandem-here.test-support.ts";

const SCENARIO = {
  name: "on-slurm",
  pipelines: { p: { tasks: { first: { model: "m" }, second: { model: "m", after: ["first"] } } } },
  models: { m: { service: { distribution: "exponential", meanMs: 5 } } },
  cluster: {
    nodes: [
      { name: "gpu", count: 2, devices: { gpu: 1 }, costPerHour: 1 },
      { name: "cpu", count: 1, devices: { core: 2 }, costPerHour: 1 },
    ],
    replicas: { first: 2, second: 2 },
    placement: [
      { task: "first", node: "gpu", replicas: 2 },
      { task: "second", node: "cpu", replicas: 2 },
    ],
  },
  workload: { arrivals: "poisson", ratePerS: 50, requests: 200 },
  run: { seed: 1 },
};

/** A graph of three nodes in place of times that are given. */
const MEASURED = {
  ...SCENARIO,
  name: "measured",
  models: {
    m: {
      profile: { gpu: "profiles/gpu.json", core: "profiles/core.json" },
      implementation: {
        onnx: "models/quarters.onnx",
        preprocess: [{ decode: "rgb" }, { resize: {} }, { normalise: { scale: 1 / 255 } }],
        postprocess: [{ softmax: {} }, { topK: { k: 1 } }],
      },
    },
  },
  cluster: { ...SCENARIO.cluster, overheadProfile: "profiles/overheads.json" },
  workload: { arrivals: "poisson", ratePerS: 10, requests: 20 },
  run: { seed: 1, replications: 2 },
};

const TANDEM = join(import.meta.dirname, "../dist/cli/tandem.js");

interface Status {
  readonly alive: boolean;
  readonly state: {
    readonly id: string;
    readonly supervisorPid: number;
    readonly gateway: { readonly grpc: string; readonly machine: string | null };
    readonly workers: readonly { readonly replica: string; readonly machine: string | null }[];
  };
  readonly now: { readonly replicas: readonly { readonly state: string }[] } | null;
}

describe.skipIf(!hasSlurm())("a cluster on Slurm", () => {
  let workplace: Workplace;
  let lab: SlurmLab;
  beforeAll(async () => {
    workplace = new Workplace(SCENARIO);
    lab = await SlurmLab.start();
    process.env.SLURM_CONF = lab.configuration;
    inventory("slurm.yaml", { partition: "p", nodes: { gpu: { gres: "gpu:1" } } });
  });
  afterEach(() => tandem("cluster", "down"));
  afterAll(async () => {
    await lab?.close();
    workplace?.remove();
    delete process.env.SLURM_CONF;
  });

  const tandem = (...words: readonly string[]): Promise<Ended> =>
    tandemHere(workplace.folder, words);
  const up = (file: string, ...more: readonly string[]): Promise<Ended> =>
    tandem("cluster", "up", "scenario.yaml", "--on", file, "--backend", "replay", ...more);

  function inventory(file: string, settings: object): void {
    writeFileSync(join(workplace.folder, file), JSON.stringify({ kind: "slurm", ...settings }));
  }

  async function status(...more: readonly string[]): Promise<Status> {
    const words = ["cluster", "status", "--no-watch", "--json", ...more];
    const { stdout, stderr, code } = await tandem(...words);
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout);
  }

  async function answered(...token: readonly string[]): Promise<void> {
    const { state } = await status(...token);
    // A closed loop asks no more than a busy machine can answer.
    const set = "workload={arrivals: closed, clients: 4, requests: 200}";
    const words = ["load", "scenario.yaml", "--set", set, "--url", state.gateway.grpc, "--json"];
    words.push(...token);
    const { code, stdout, stderr } = await tandem(...words);
    // 3: this machine was too busy to judge latencies by.
    expect([0, 3], stderr).toContain(code);
    expect(JSON.parse(stdout)).toMatchObject({ outcomes: { completed: 200 } });
  }

  async function allAre(state: string, ...token: readonly string[]): Promise<boolean> {
    const { now } = await status(...token);
    return now?.replicas.every((one) => one.state === state) ?? false;
  }

  async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
    // Less than the test's own limit, whose failure tells neither what it waited for nor why.
    for (const end = performance.now() + 80_000; !(await holds()); ) {
      if (performance.now() > end) expect.fail(`not so: ${holds}\n${logs()}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  const logs = (): string =>
    ["supervisor", "gateway"]
      .map((name) => `.tandem/${name}.log`)
      .filter((file) => workplace.has(file))
      .map((file) => `${file}: ${workplace.read(file).slice(-3000)}`)
      .join("\n");

  /** Steps of jobs, with their machines, as `12.3 n0`; of one name only, if it is given. */
  const steps = (name = ""): readonly string[] =>
    lab
      .says("squeue", "-h", "-s", "-o", "%i %N %j")
      .split("\n")
      .filter((line) => /\.\d+ /.test(line) && line.endsWith(name))
      .map((line) => line.split(" ").slice(0, 2).join(" "));

  const processesOf = (deployment: string): readonly string[] =>
    readdirSync("/proc").filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`--deployment=${deployment}`);
      } catch {
        return false;
      }
    });

  test("answers every request, loses a worker and a machine, recovers, and leaves nothing", {
    tags: ["smoke"],
  }, async () => {
    const { code, stdout, stderr } = await up("slurm.yaml");
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/first-1 on n\d, at /);
    const { state } = await status();
    const places = state.workers.map(({ machine }) => machine);
    expect(new Set(places.slice(0, 2)).size).toBe(2);
    expect(new Set(places.slice(2)).size).toBe(1);
    expect(new Set(places).size).toBe(3);
    await answered();
    const before = steps();
    expect(before.length).toBeGreaterThanOrEqual(3);
    const [victim] = (before.find((line) => line.endsWith(` ${places[0]}`)) as string).split(" ");
    lab.says("scancel", "--signal=KILL", victim);
    await eventually(() => !steps().includes(`${victim} ${places[0]}`));
    await eventually(() => steps().length === before.length);
    await eventually(() => allAre("up"));
    await answered();
    // A machine dies and comes back.
    const node = Number((places[0] as string).slice(1));
    lab.killNode(node);
    await eventually(async () => !(await allAre("up")));
    await answered();
    lab.startNode(node);
    await eventually(() => allAre("up"));
    expect((await tandem("cluster", "down")).code).toBe(0);
    await eventually(() => lab.jobs().length === 0);
    await eventually(() => processesOf(state.id).length === 0);
  });

  test("runs the gateway as a step too, which comes back, keeps secrets, and ends with the job", async () => {
    inventory("gateway.yaml", {
      partition: "p",
      gateway: "cpu",
      leaseS: 10,
      nodes: { gpu: { gres: "gpu:1" } },
    });
    const { stdout: shown } = await tandem(
      ...["cluster", "token", "--role", "admin", "--file", "tokens.txt"],
    );
    writeFileSync(join(workplace.folder, "token"), shown);
    const token = ["--token-file", "token"];
    const hash = workplace.read("tokens.txt").split(" ")[1].trim();
    const files = ["--record", "day.csv", "--trace", "spans.json"];
    const { code, stdout, stderr } = await up("gateway.yaml", "--tokens", "tokens.txt", ...files);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(
      /gateway on n\d, pid \d+\n {2}from your own machine: ssh -N -L (\d+):127.0.0.1:\1/,
    );
    const { state } = await status(...token);
    const places = state.workers.map(({ machine }) => machine);
    // It shares the machine of the node that it is to be on.
    expect(places.indexOf(state.gateway.machine)).toBe(2);
    const [step] = steps("tandem-gateway");
    expect(step).toMatch(new RegExp(` ${state.gateway.machine}$`));
    await answered(...token);
    expect(await fetch(`http://${state.gateway.grpc}`).catch(() => "no HTTP/1")).toBe("no HTTP/1");
    const rows = (): number => workplace.read("day.csv").trim().split("\n").length - 1;
    await eventually(() => rows() >= 200);
    await eventually(() => workplace.has("spans.json"));
    for (const pid of processesOf(state.id)) {
      expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).not.toMatch(/tandem_|PRIVATE KEY/);
      expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).not.toContain(hash);
    }
    expect(workplace.read(".tandem/supervisor.log")).toContain("Slurm job ");
    expect(
      workplace.read(".tandem/supervisor.log") + workplace.read(".tandem/gateway.log"),
    ).not.toContain(hash);

    lab.says("scancel", "--signal=KILL", step.split(" ")[0]);
    await eventually(
      () => steps("tandem-gateway").length === 1 && steps("tandem-gateway")[0] !== step,
    );
    await eventually(async () => {
      const { code: alive } = await tandem("cluster", "status", "--no-watch", ...token);
      return alive === 0;
    });
    await eventually(() => allAre("up", ...token));
    await answered(...token);

    // As at the time limit of the job.
    lab.says("scancel", ...lab.jobs());
    await eventually(async () => {
      const { stdout: gone } = await tandem("cluster", "status", "--no-watch", ...token);
      return gone.includes("no cluster is up");
    });
    await eventually(() => processesOf(state.id).length === 0 && lab.clients().length === 0);
    expect(workplace.read(".tandem/supervisor.log")).toMatch(
      /Slurm job \d+ has ended: the deployment/,
    );
    expect(rows()).toBeGreaterThanOrEqual(400);
  });

  test("asks once for what the largest of several configurations needs", async () => {
    const larger = { first: 2, second: 3 };
    const placement = SCENARIO.cluster.placement.map((one) => ({ ...one, replicas: 2 }));
    placement[1].replicas = 3;
    const cpu = { ...SCENARIO.cluster.nodes[1], devices: { core: 3 } };
    const cluster = { nodes: [SCENARIO.cluster.nodes[0], cpu], replicas: larger, placement };
    const point = Object.fromEntries(Object.entries(cluster).map(([k, v]) => [`cluster.${k}`, v]));
    const workload = { arrivals: "poisson", ratePerS: 20, requests: 40 };
    const validation = { points: [{ scheduler: "fifo" }, point], backend: "replay", repeats: 3 };
    const measured = { ...SCENARIO.cluster, overheadProfile: "messages.json" };
    const scenario = { ...SCENARIO, cluster: measured, workload, validation };
    writeFileSync(join(workplace.folder, "two.yaml"), stringify(scenario));
    writeFileSync(join(workplace.folder, "messages.json"), JSON.stringify(MESSAGE_COSTS));
    const words = ["validate", "two.yaml", "--on", "slurm.yaml", "--json"];
    const { code, stderr, stdout } = await tandem(...words);
    expect([0, 3], stderr).toContain(code);
    expect(JSON.parse(stdout).configurations).toHaveLength(2);
    expect(stderr.match(/Slurm job \d+: /g), stderr).toHaveLength(1);
    expect(lab.jobs()).toEqual([]);
  });

  test("ends its job when its supervisor is killed", async () => {
    expect((await up("slurm.yaml")).code).toBe(0);
    const { state } = await status();
    expect(lab.jobs().length).toBeGreaterThan(0);
    process.kill(state.supervisorPid, "SIGKILL");
    await eventually(() => lab.jobs().length === 0 && lab.clients().length === 0);
    await eventually(() => processesOf(state.id).length === 0);
    // As if Slurm had not noticed.
    const words = [`--job-name=tandem-${state.id}`, "--output=/dev/null"];
    lab.says("sbatch", ...words, "--wrap", "sleep 1000");
    const [job] = lab.jobs();
    const gone = await tandem("cluster", "status", "--no-watch");
    expect(gone.stdout + gone.stderr).toContain(`Slurm job ${job}`);
    expect((await tandem("cluster", "down")).stdout).toContain(`Slurm job ${job}`);
    await eventually(() => lab.jobs().length === 0);
  });

  test("takes its job out of the queue when it is killed there", async () => {
    lab.says("sbatch", "--nodes=4", "--exclusive", "--output=/dev/null", "--wrap", "sleep 1000");
    const [other] = lab.jobs();
    const { child, exit } = workplace.start([
      ...["cluster", "up", "scenario.yaml", "--on", "slurm.yaml", "--backend", "replay"],
    ]);
    await eventually(() => lab.jobs().length > 1);
    child.kill("SIGKILL");
    await exit;
    await eventually(() => lab.jobs().join() === other && lab.clients().length === 0);
    lab.says("scancel", other);
    await eventually(() => lab.jobs().length === 0);
  });

  test("calibrates models where they run, on no more machines than they need", async () => {
    // One machine of four is another's: none is left beside the three of the scenario.
    lab.says("sbatch", "--nodes=1", "--exclusive", "--output=/dev/null", "--wrap", "sleep 1000");
    const others = lab.jobs();
    writeFileSync(join(workplace.folder, "measured.yaml"), stringify(MEASURED));
    const models = join(import.meta.dirname, "../scenarios/models");
    cpSync(models, join(workplace.folder, "models"), { recursive: true });
    await writeScenes(join(workplace.folder, "images"));
    const on = ["measured.yaml", "--on", "slurm.yaml", "--json"];
    // Each round sends each picture once.
    const bounds = ["--images", "images", "--precision", "0.5", "--max-seconds", "1"];
    const calibrated = await tandem("calibrate", ...on, ...bounds);
    expect(calibrated.code, calibrated.stderr).toBe(0);
    const { deviceProfiles, overheadProfile } = JSON.parse(calibrated.stdout);
    expect(Object.keys(deviceProfiles.m)).toEqual(["gpu", "core"]);
    expect(Object.keys(overheadProfile.links)).toEqual(["gpu-1", "gpu-2", "cpu"]);
    expect(lab.jobs()).toEqual(others);
    expect(lab.clients()).toEqual([]);
    lab.says("scancel", ...others);
    await eventually(() => lab.jobs().length === 0);
  });

  test("takes the job that it is started in, and ends with it", async () => {
    const machines = ["--nodes=3", "--ntasks-per-node=1", "--cpus-per-task=2", "--gres=gpu:1"];
    spawnSync("salloc", ["--no-shell", ...machines]);
    const [job] = lab.jobs();
    process.env.SLURM_JOB_ID = job;
    process.env.SLURM_JOB_NODELIST = lab.says("squeue", "-h", "-o", "%N");
    const { code, stdout, stderr } = await up("slurm.yaml");
    delete process.env.SLURM_JOB_ID;
    delete process.env.SLURM_JOB_NODELIST;
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/first-2 on n\d/);
    expect(lab.jobs()).toEqual([job]);
    const { state } = await status();
    lab.says("scancel", job);
    await eventually(async () => (await tandem("cluster", "status")).stdout.includes("no cluster"));
    await eventually(() => processesOf(state.id).length === 0 && lab.clients().length === 0);
    expect(workplace.read(".tandem/supervisor.log")).toContain(
      `Slurm job ${job} has ended: the deployment ends`,
    );
  });

  test("says how many machines that job lacks", () => {
    const words = ["cluster", "up", "scenario.yaml", "--on", "slurm.yaml", "--backend", "replay"];
    const said = spawnSync("salloc", ["--nodes=1", process.execPath, TANDEM, ...words], {
      cwd: workplace.folder,
      encoding: "utf8",
    });
    expect(said.stderr).toMatch(/job \d+ has 1 of the 3 machines/);
  });

  test("`check` refuses GRES that no machine has, and says where it cannot ask", async () => {
    const check = (gres: string): Promise<Ended> => {
      inventory("gres.yaml", { partition: "p", nodes: { gpu: { gres } } });
      return tandem("check", "scenario.yaml", "--on", "gres.yaml");
    };
    for (const known of ["gpu:1", "gres/gpu:lab:1"]) {
      expect(await check(known)).toMatchObject({ code: 0, stderr: "" });
    }
    for (const unknown of ["gppu:1", "gpu:labs:1", "gpu:1,shard:2"]) {
      const name = /gppu|gpu:labs|shard/.exec(unknown)?.[0];
      const { code, stderr } = await check(unknown);
      expect([code, stderr]).toEqual([2, expect.stringContaining(`no GRES is called "${name}"`)]);
    }
    process.env.SLURM_CONF = join(workplace.folder, "none.conf");
    const { code, stdout, stderr } = await check("gppu:1");
    process.env.SLURM_CONF = lab.configuration;
    expect([code, stdout + stderr]).toEqual([0, expect.stringContaining("no name of `gres`")]);
  });

  test.each([
    ["a partition that does not exist", { partition: "nope" }, "Invalid partition name"],
    [
      "a resource that no machine has",
      { nodes: { gpu: { gres: "gpu:9" } } },
      "configuration is not available",
    ],
    ["a node that the scenario lacks", { nodes: { tpu: {} } }, "tpu"],
  ])("names %s before anything starts", async (_, settings, message) => {
    inventory("bad.yaml", settings);
    const { code, stderr } = await up("bad.yaml");
    expect(code, stderr).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr).toMatch(/hint|did you mean/);
    expect(lab.jobs()).toEqual([]);
  });
});
