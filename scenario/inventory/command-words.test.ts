/** Complaints of Slurm's commands, as a user gets them. */

import { expect, test } from "vitest";
import { slurmFault, slurmOptions } from "./command-words.ts";

test.each([
  [
    "salloc",
    "salloc: error: Job submit/allocate failed: Invalid partition name specified",
    "not-found",
    "salloc: Job submit/allocate failed: Invalid partition name specified",
  ],
  [
    "salloc",
    "salloc: Pending\nsalloc: error: Job submit/allocate failed: Requested node configuration is not available",
    "not-found",
    "salloc: Job submit/allocate failed: Requested node configuration is not available",
  ],
  [
    "squeue",
    "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
    "cluster-failure",
    "squeue: slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
  ],
  ["sbatch", "", "cluster-failure", "sbatch: exit code 1"],
])("%s: %s", (program, stderr, code, message) => {
  expect(slurmFault(program, stderr, 1)).toMatchObject({ code, message, hint: expect.any(String) });
});

test("an inventory's options are words of sbatch and salloc", () => {
  expect(slurmOptions({})).toEqual([]);
  const given = { partition: "gpu", account: "lab", qos: "low", timeLimit: "1:00:00" };
  expect(slurmOptions({ ...given, options: ["--mem=2G"] })).toEqual([
    ...["--partition=gpu", "--account=lab", "--qos=low", "--time=1:00:00", "--mem=2G"],
  ]);
});
