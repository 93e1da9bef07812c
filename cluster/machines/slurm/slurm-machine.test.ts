/** Steps of Slurm as commands, and the GPU that each leaves to its worker. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { slurmMachine } from "./slurm-machine.ts";

const group = { cpus: 4, options: ["--jobid=12", "--het-group=1"] };
const models = { folder: "/data/s", files: ["m.onnx"], store: "/data/models/abc" };
const machine = slurmMachine({
  host: "n1",
  address: "10.0.0.2",
  group,
  look: () => undefined,
  deployment: "d1",
  models,
  gpus: 2,
});
const worker = { name: "worker-1", slot: {} };

test("a worker is a step on its machine that shares the allocation with others", () => {
  const words = machine.command("worker", worker);
  expect(words.slice(0, words.indexOf(process.execPath))).toEqual([
    ...["srun", "--jobid=12", "--het-group=1", "--overlap", "--nodes=1", "--ntasks=1", "--mem=0"],
    ...["--cpus-per-task=4", "--nodelist=n1", "--job-name=tandem-worker"],
  ]);
  expect(words.slice(-2)).toEqual(["--stdio", "--deployment=d1"]);
});

test("a worker on a slot gets that one of the job's GPUs, whatever their numbers are", () => {
  for (const [slot, gpu] of [
    ["0", "4"],
    ["1", "GPU-7"],
  ]) {
    const words = machine.command("worker", { name: "w", slot: { gpu: slot } });
    const shell = words.slice(words.indexOf("sh"), words.indexOf(process.execPath));
    const env = { ...process.env, CUDA_VISIBLE_DEVICES: "4,GPU-7" };
    const [program, ...rest] = [...shell, "printenv", "CUDA_VISIBLE_DEVICES"];
    expect(spawnSync(program, rest, { env, encoding: "utf8" }).stdout.trim()).toBe(gpu);
  }
});

test("a worker that starts again keeps its port, until it is released", async () => {
  expect(machine.listen(worker)).toEqual({ host: "0.0.0.0", port: 0 });
  expect(await machine.reach(worker, 4711)).toBe("10.0.0.2:4711");
  expect(machine.listen(worker).port).toBe(4711);
  await machine.release(worker);
  expect(machine.listen(worker).port).toBe(0);
});

test("models have the same paths on all machines", () => {
  expect(machine.paths).toEqual({ folder: "/data/s", store: "/data/models" });
});
