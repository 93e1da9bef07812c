/** The end of a deployment's job, as a real Slurm tells it. */
import { spawnSync } from "node:child_process";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { hasSlurm, SlurmLab } from "../../../checks/support/slurm-lab.test-support.ts";
import { openAllocation } from "./allocation.ts";

describe.skipIf(!hasSlurm())("an allocation's end", () => {
  const before = { ...process.env };
  let lab: SlurmLab;
  beforeAll(async () => {
    lab = await SlurmLab.start();
    process.env.SLURM_CONF = lab.configuration;
  });
  afterEach(() => {
    for (const name of ["SLURM_JOB_ID", "SLURM_JOB_NODELIST"]) delete process.env[name];
  });
  afterAll(async () => {
    process.env = before;
    await lab?.close();
  });

  const opened = (name: string): ReturnType<typeof openAllocation> =>
    openAllocation({
      inventory: { kind: "slurm", leaseS: 30 },
      name,
      needed: [{ node: "n", numbers: [0], processes: 1 }],
      onEvent: () => undefined,
    });

  async function endOf({ look, gone }: Awaited<ReturnType<typeof opened>>): Promise<string> {
    let end = "";
    void gone.then((what) => {
      end = what;
    });
    for (let looks = 0; end === "" && looks < 300; looks++) {
      look();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return end;
  }

  test("is asked for again after squeue could not be run, where it was there before", async () => {
    spawnSync("salloc", ["--no-shell", "--nodes=1"]);
    const [job] = lab.jobs();
    Object.assign(process.env, { SLURM_JOB_ID: job, SLURM_JOB_NODELIST: "n0" });
    const allocation = await opened("watched");
    const { PATH } = process.env;
    process.env.PATH = "/nowhere";
    allocation.look();
    await new Promise((resolve) => setTimeout(resolve, 500));
    process.env.PATH = PATH;
    lab.says("scancel", job);
    expect(await endOf(allocation)).toBe(`Slurm job ${job} has ended`);
    await allocation.close();
  });

  test("is told where salloc does not notice it", async () => {
    const allocation = await opened("unnoticed");
    const [salloc, ...others] = lab.clients();
    expect(others).toEqual([]);
    process.kill(salloc, "SIGSTOP");
    lab.says("scancel", allocation.job);
    expect(await endOf(allocation)).toBe(`Slurm job ${allocation.job} has ended`);
    await allocation.close();
    expect(lab.clients()).toEqual([]);
  });
});
