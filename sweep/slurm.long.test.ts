/** A sweep as job arrays of a real Slurm: whole, killed, cancelled and resumed, to the same bytes. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasSlurm, SlurmLab } from "../checks/support/slurm-lab.test-support.ts";
import { type Exit, Workplace } from "./command-line.test-support.ts";

const SCENARIO = {
  name: "on-slurm",
  pipelines: { p: { tasks: { serve: { model: "server" } } } },
  models: { server: { service: { distribution: "exponential", meanMs: 10 } } },
  cluster: { replicas: { serve: 2 } },
  workload: { arrivals: "poisson", ratePerS: 100, requests: 150_000 },
  run: { seed: 1, replications: 8 },
  sweep: { "workload.ratePerS": { from: 61, to: 78, step: 1 } },
};
const SHARDS = 9;

describe.skipIf(!hasSlurm())("on Slurm", () => {
  let workplace: Workplace;
  let lab: SlurmLab;
  let plain: Readonly<Record<string, string>>;

  beforeAll(async () => {
    workplace = new Workplace(SCENARIO);
    lab = await SlurmLab.start({ more: ["MaxArraySize=5"], cores: 1 });
    process.env.SLURM_CONF = lab.configuration;
    writeFileSync(join(workplace.folder, "slurm.yaml"), "kind: slurm\npartition: p\n");
    expect(
      (await tandem("simulate", "scenario.yaml", "--out", "plain", "--workers", "1")).code,
    ).toBe(0);
    plain = bytesOf("plain");
  });
  afterAll(async () => {
    await lab?.close();
    workplace?.remove();
    delete process.env.SLURM_CONF;
  });

  const tandem = (...words: readonly string[]): Promise<Exit> => workplace.start(words).exit;
  const sharded = (out: string, ...more: readonly string[]): Promise<Exit> => {
    const where = ["--on", "slurm.yaml", "--shards", String(SHARDS), "--out", out];
    return tandem("simulate", "scenario.yaml", ...where, ...more);
  };

  /** Every file of results, to the byte. */
  function bytesOf(out: string): Readonly<Record<string, string>> {
    const folder = join(workplace.folder, out);
    const names = readdirSync(folder).filter((name) => /\.(jsonl|parquet)$|^results/.test(name));
    return Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name), "hex")]));
  }

  /** Shards of the jobs submitted last. */
  function submitted(out: string): readonly string[] {
    const { jobs } = JSON.parse(workplace.read(`${out}/jobs.json`)) as {
      jobs: readonly { readonly shards: string }[];
    };
    return jobs.map(({ shards }) => shards);
  }

  async function status(out: string): Promise<Readonly<Record<string, number>>> {
    const { code, stdout, stderr } = await tandem("sweep", "status", out, "--json");
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout);
  }

  async function until(out: string, holds: (now: Readonly<Record<string, number>>) => boolean) {
    for (let looks = 0; ; looks++) {
      const now = await status(out);
      if (holds(now)) return now;
      expect(looks, JSON.stringify(now)).toBeLessThan(400);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  test("a sweep in arrays below MaxArraySize gathers to the bytes of one process", {
    tags: ["smoke"],
  }, async () => {
    const { code, stderr } = await sharded("whole");
    expect(code, stderr).toBe(0);
    expect(submitted("whole")).toEqual(["0-4", "5-8"]);
    expect(bytesOf("whole")).toEqual(plain);
    expect(lab.jobs()).toEqual([]);
  });

  test("a shard whose process is killed runs again, and one whose task is cancelled is resumed", async () => {
    const { code, stdout, stderr } = await sharded("killed", "--detach");
    expect(code, stderr).toBe(0);
    expect(stdout).toContain("tandem sweep status killed");
    const [first] = lab.jobs().map((id) => id.split("_")[0]);
    lab.says("scancel", `${first}_4`);
    await until("killed", () => processesOf("killed").length > 0);
    process.kill(processesOf("killed")[0], "SIGKILL");
    const left = await until("killed", ({ running, waiting }) => running + waiting === 0);
    expect(left).toMatchObject({ shards: SHARDS, finished: SHARDS - 1, failed: 0 });
    const logs = readdirSync(join(workplace.folder, "killed", "logs"));
    const texts = logs.map((name) => workplace.read(`killed/logs/${name}`));
    expect(texts.filter((text) => text.includes("Killed")).length).toBe(1);
    const gathered = await tandem("gather", "killed");
    expect(gathered.code).toBe(4);
    expect(gathered.stderr).toContain("1 of 9 shards missing: 4");
    expect((await sharded("killed")).code).toBe(0);
    expect(submitted("killed")).toEqual(["4"]);
    expect(bytesOf("killed")).toEqual(plain);
  });

  test("a sweep that is cancelled leaves nothing running, and goes on from there", async () => {
    // However fast this machine is, the second array waits until it is cancelled.
    lab.says("scontrol", "update", "PartitionName=p", "State=DOWN");
    expect((await sharded("cancelled", "--detach")).code).toBe(0);
    const again = await sharded("cancelled", "--detach");
    expect(again.stderr).toContain("nothing is submitted twice");
    const last = Math.max(...lab.jobs().map((id) => Number.parseInt(id, 10)));
    lab.says("scontrol", "hold", String(last));
    lab.says("scontrol", "update", "PartitionName=p", "State=UP");
    await until("cancelled", ({ finished }) => finished >= 1);
    const { code, stdout } = await tandem("sweep", "cancel", "cancelled");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^cancelled; \d of 9 shards kept/);
    const { finished } = await until(
      "cancelled",
      ({ running, waiting }) => running + waiting === 0,
    );
    expect(finished).toBeLessThan(SHARDS);
    expect(processesOf("cancelled")).toEqual([]);
    expect((await sharded("cancelled")).code).toBe(0);
    expect(bytesOf("cancelled")).toEqual(plain);
  });

  test("a partition that does not exist is named before anything runs", async () => {
    writeFileSync(join(workplace.folder, "bad.yaml"), "kind: slurm\npartition: nope\n");
    const words = ["--on", "bad.yaml", "--shards", "2", "--out", "bad"];
    const { code, stderr } = await tandem("simulate", "scenario.yaml", ...words);
    expect(code).toBe(2);
    expect(stderr).toContain("Invalid partition name specified");
    expect(stderr).toContain("`sinfo` lists partitions");
    rmSync(join(workplace.folder, "bad"), { recursive: true });
  });

  /** Processes of shards that run in a folder. */
  function processesOf(out: string): readonly number[] {
    const folder = join(workplace.folder, out);
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => {
        try {
          const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
          return words[0].endsWith("node") && words.includes(folder) && words.includes("--shard");
        } catch {
          return false;
        }
      })
      .map(Number);
  }
});
