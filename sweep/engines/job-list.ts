/** The jobs that run a sweep, in `jobs.json` of its folder, so that any shell can ask for them or end them. */
import { existsSync, readFileSync } from "node:fs";
import type { InventoryOf } from "../../core/inventory/schema.ts";
import { writeJson } from "../atomic-file.ts";
import type { ShardFolder } from "../shards/shard-folder.ts";
import type { Engine, SubmittedJob, TasksLeft } from "./engine.ts";
import { kubernetes } from "./kubernetes.ts";
import { slurm } from "./slurm.ts";

/** The kinds of inventory whose queue runs shards. */
export type EngineSettings = InventoryOf<"slurm" | "kubernetes">;

export interface JobList {
  readonly schema: "tandem/sweep-jobs@1";
  readonly engine: EngineSettings;
  readonly jobs: readonly SubmittedJob[];
}

const FILE = "jobs.json";

export function readJobs(folder: ShardFolder): JobList | undefined {
  const path = folder.path(FILE);
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as JobList) : undefined;
}

export function writeJobs(
  folder: ShardFolder,
  engine: EngineSettings,
  jobs: readonly SubmittedJob[],
): void {
  writeJson(folder.path(FILE), { schema: "tandem/sweep-jobs@1", engine, jobs });
}

/** None where no jobs were given out. Rejects as the engine does. */
export async function tasksLeft(list: JobList | undefined): Promise<TasksLeft> {
  return list === undefined ? { running: 0, waiting: 0 } : engineOf(list.engine).left(list.jobs);
}

export function engineOf(settings: EngineSettings): Engine {
  return settings.kind === "slurm" ? slurm(settings) : kubernetes(settings);
}
