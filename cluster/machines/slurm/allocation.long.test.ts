/** The job that a deployment is started in, watched by a real Slurm. */
import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasSlurm, SlurmLab } from "../../../checks/support/slurm-lab.test-support.ts";
import { openAllocation } from "./allocation.ts";

describe.skipIf(!hasSlurm())("an allocation that was there before", () => {
  const before = { ...process.env };
  let lab: SlurmLab;
  beforeAll(async () => {
    lab = await SlurmLab.start();
    process.env.SLURM_CONF = lab.configuration;
  });
  afterAll(async () => {
    process.env = before;
    await lab?.close();
  });

  test("is asked for again after squeue could not be run, and its end is told", async () => {
    spawnSync("salloc", ["--no-shell", "--nodes=1"]);
    const [job] = lab.jobs();
    Object.assign(process.env, { SLURM_JOB_ID: job, SLURM_JOB_NODELIST: "n0" });
    const { look, gone, close } = await openAllocation({
      inventory: { kind: "slurm", leaseS: 30 },
      name: "watched",
      needed: [{ node: "n", numbers: [0], processes: 1 }],
      onEvent: () => undefined,
    });
    let end = "";
    void gone.then((what) => {
      end = what;
    });
    const { PATH } = process.env;
    process.env.PATH = "/nowhere";
    look();
    await new Promise((resolve) => setTimeout(resolve, 500));
    process.env.PATH = PATH;
    lab.says("scancel", job);
    for (let looks = 0; end === "" && looks < 300; looks++) {
      look();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(end).toBe(`Slurm job ${job} has ended`);
    await close();
  });
});
