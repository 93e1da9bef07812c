/** Jobs for engines: lists of shards, a script for Slurm and what it runs again, a Job for Kubernetes. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import {
  chunksOf,
  listText,
  MOST_RETRIES,
  NEVER_RETRIED,
  parseList,
  retryingLines,
  type ShardCommand,
} from "./engine.ts";
import { indexedJob, kubernetes } from "./kubernetes.ts";
import { batchScript, mostTasksIn } from "./slurm.ts";

/** The sweep's folder is looked at for its owner. */
const DATA = temporaryFolder("engines");
mkdirSync(join(DATA, "out/s"), { recursive: true });

const COMMAND: ShardCommand = {
  program: ["/usr/bin/node", "/opt/tandem/cli/tandem.js"],
  options: [
    "simulate",
    "my scenario.yaml",
    "--set",
    "workload.ratePerS=40",
    "--out",
    `${DATA}/out/s`,
  ],
  shards: 500,
  folder: DATA,
  out: `${DATA}/out/s`,
  name: "tandem-1a2b3c4d",
  threads: 2,
};

describe("a Slurm script", () => {
  test("has an array of the shards, the throttle, and the inventory's options", () => {
    const settings = {
      partition: "gpu",
      account: "lab",
      timeLimit: "01:00:00",
      throttle: 100,
      options: ["--mem=2G"],
      setup: ["module load nodejs"],
    };
    const lines = batchScript(settings, COMMAND, [0, 1, 2, 7]).split("\n");
    expect(lines.slice(0, 14)).toEqual([
      "#!/bin/sh",
      "#SBATCH --job-name=tandem-1a2b3c4d",
      "#SBATCH --array=0-3%100",
      "#SBATCH --cpus-per-task=2",
      "#SBATCH --requeue",
      "#SBATCH --open-mode=append",
      `#SBATCH --output=${DATA}/out/s/logs/%A_%a.log`,
      "#SBATCH --partition=gpu",
      "#SBATCH --account=lab",
      "#SBATCH --time=01:00:00",
      "#SBATCH --mem=2G",
      `cd ${DATA} || exit 4`,
      "module load nodejs",
      "tries=$((SLURM_RESTART_COUNT + 0))",
    ]);
    expect(lines).toContain(
      `  /usr/bin/node /opt/tandem/cli/tandem.js simulate 'my scenario.yaml' --set workload.ratePerS=40 --out ${DATA}/out/s --shard 500 --shard-list 0-2,7`,
    );
  });

  test("has no throttle and no partition where the inventory names none", () => {
    const script = batchScript({}, COMMAND, [3]);
    expect(script).toContain("#SBATCH --array=0-0\n");
    expect(script).not.toContain("partition");
  });

  test("stays below MaxArraySize, which is asked for", () => {
    expect(mostTasksIn("MaxArraySize            = 1001\n")).toBe(1001);
    expect(mostTasksIn("MailProg = x\nMaxArraySize = 8\nMaxDBDMsgs = 20\n")).toBe(8);
    expect(mostTasksIn("MaxArraySize = 4000001")).toBe(10_000);
    expect(mostTasksIn("MaxArraySize = 9\nSchedulerParameters = a,max_array_tasks=5,b\n")).toBe(5);
    expect(() => mostTasksIn("MaxArraySize = 0")).toThrow("job arrays turned off");
    const shards = Array.from({ length: 2500 }, (_, i) => i);
    const chunks = chunksOf(shards, mostTasksIn("MaxArraySize = 1001"));
    const arrays = chunks.map(
      (chunk) => /--array=(\S+)/.exec(batchScript({}, COMMAND, chunk))?.[1],
    );
    expect(arrays).toEqual(["0-1000", "0-1000", "0-497"]);
    expect(batchScript({}, COMMAND, chunks[2])).toContain("--shard 500 --shard-list 2002-2499");
  });
});

describe("a Kubernetes Job", () => {
  const settings = { namespace: "lab", image: "tandem:1", claim: "sweeps" };

  test("is indexed, retries each index by its exit code, and shares the claim's volume", () => {
    const job = indexedJob(settings, COMMAND, "tandem-1-x", [0, 1, 5]);
    expect(job).toMatchObject({
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { name: "tandem-1-x", namespace: "lab" },
      spec: {
        completionMode: "Indexed",
        completions: 3,
        backoffLimitPerIndex: 3,
        podFailurePolicy: { rules: [{ onExitCodes: { values: [1, 2, 3] } }, {}] },
        template: {
          spec: {
            restartPolicy: "Never",
            volumes: [{ persistentVolumeClaim: { claimName: "sweeps" } }, { emptyDir: {} }],
            containers: [
              {
                command: [
                  ...["tandem", "simulate", "my scenario.yaml", "--set", "workload.ratePerS=40"],
                  ...["--out", "/sweep/out/s", "--shard", "500", "--shard-list", "0-1,5"],
                ],
                workingDir: "/sweep",
              },
            ],
          },
        },
      },
    });
  });

  test("gives the reason of a pod that does not start, and counts it as waiting", async () => {
    const commands = temporaryFolder("kubectl");
    const said = (name: string, value: object): void =>
      writeFileSync(join(commands, `${name}.json`), JSON.stringify(value));
    const script = `#!/bin/sh\ncase "$*" in *" pods "*) cat '${commands}/pods.json';; *) cat '${commands}/job.json';; esac\n`;
    writeFileSync(join(commands, "kubectl"), script, { mode: 0o755 });
    said("job", { spec: { completions: 3 }, status: { active: 2, ready: 0, succeeded: 1 } });
    const message = 'Back-off pulling image "tandem:1"';
    const waiting = { reason: "ImagePullBackOff", message };
    const creating = {
      containerStatuses: [{ state: { waiting: { reason: "ContainerCreating" } } }],
    };
    const stuck = { containerStatuses: [{ state: { waiting } }] };
    said("pods", { items: [{ status: creating }, { status: stuck }] });
    const { PATH } = process.env;
    process.env.PATH = `${commands}:${PATH}`;
    try {
      const left = () => kubernetes(settings).left([{ id: "tandem-1-x", shards: "0-2" }]);
      const reason = `ImagePullBackOff: ${message}`;
      expect(await left()).toEqual({ running: 0, waiting: 2, reason });
      const scheduled = { type: "PodScheduled", status: "False", reason: "Unschedulable" };
      const full = { ...scheduled, message: "0/3 nodes are available: 3 Insufficient cpu." };
      said("pods", { items: [{ status: { conditions: [full] } }] });
      expect((await left()).reason).toBe(`Unschedulable: ${full.message}`);
      said("job", { spec: { completions: 3 }, status: { active: 2, ready: 2, succeeded: 1 } });
      expect(await left()).toEqual({ running: 2, waiting: 0, reason: undefined });
    } finally {
      process.env.PATH = PATH;
    }
  });

  test("runs as the owner of the sweep's folder, which its pods write into", () => {
    const job = indexedJob({ ...settings, pullSecrets: ["registry"] }, COMMAND, "j", [0]);
    const { uid, gid } = statSync(COMMAND.out);
    const pod = job.spec?.template.spec;
    expect(pod?.securityContext).toMatchObject({ runAsUser: uid, runAsGroup: gid });
    expect(pod?.imagePullSecrets).toEqual([{ name: "registry" }]);
    expect(pod?.containers[0].volumeMounts?.map(({ mountPath }) => mountPath)).toContain("/tmp");
  });

  test("runs as many pods as the throttle allows", () => {
    const shards = Array.from({ length: 500 }, (_, i) => i);
    const parallelism = (throttle?: number) =>
      indexedJob({ ...settings, throttle }, COMMAND, "j", shards).spec?.parallelism;
    expect(parallelism()).toBe(100);
    expect(parallelism(7)).toBe(7);
  });

  test("needs a claim, and paths on its volume", () => {
    const { claim: _, ...without } = settings;
    expect(() => indexedJob(without, COMMAND, "j", [0])).toThrow("names no `claim`");
    const elsewhere = { ...COMMAND, options: ["simulate", "/home/me/s.yaml"] };
    expect(() => indexedJob(settings, elsewhere, "j", [0])).toThrow("/home/me/s.yaml is not below");
  });
});

test("a list of shards is short text, and comes back from it", () => {
  expect(listText([0, 1, 2, 7, 9, 10])).toBe("0-2,7,9-10");
  const lists = fc
    .uniqueArray(fc.nat(2000), { minLength: 1 })
    .map((all) => all.sort((a, b) => a - b));
  fc.assert(fc.property(lists, (list) => void expect(parseList(listText(list))).toEqual(list)));
  for (const text of ["", "1,", "3-1", "a", "1-2-3", "-1"]) {
    expect(() => parseList(text)).toThrow("is no list of shards");
  }
});

test("arrays are chunks of at most so many tasks", () => {
  expect(chunksOf([1, 2, 3, 4, 5], 2)).toEqual([[1, 2], [3, 4], [5]]);
  expect(chunksOf([], 2)).toEqual([]);
});

const folder = temporaryFolder("retries");

/** How often a script runs a command that ends with `code`, and its own end. */
function runs(code: number, environment: Readonly<Record<string, string>> = {}) {
  const log = join(folder, "runs");
  rmSync(log, { force: true });
  const command = `sh -c 'echo >> ${log}; exit ${code}'`;
  const script = retryingLines(command, "SLURM_RESTART_COUNT").join("\n");
  const { status } = spawnSync("sh", ["-c", script], { env: { ...process.env, ...environment } });
  return { status, times: readFileSync(log, "utf8").length };
}

test.each([0, 1, 2, 3, 4, 5, 126, 127, 128, 129, 130, 137, 139, 143, 255])(
  "exit code %i",
  (code) => {
    const retried = [4, 129, 130, 137, 139, 143, 255].includes(code);
    expect(runs(code)).toEqual({ status: code, times: retried ? 1 + MOST_RETRIES : 1 });
  },
);

test("an engine's own restarts count", () => {
  expect(runs(4, { SLURM_RESTART_COUNT: "2" }).times).toBe(2);
  expect(runs(4, { SLURM_RESTART_COUNT: "3" }).times).toBe(1);
});

test("a bug, bad input and a verdict are never retried", () => {
  expect(NEVER_RETRIED.map((code) => runs(code).times)).toEqual([1, 1, 1]);
});
