/** The jobs that run a sweep, in `jobs.json` of its folder, so that any shell can ask for them or end them. */
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { unreachable } from "../../core/fault.ts";
import type { InventoryOf } from "../../core/inventory/schema.ts";
import { writeJson } from "../atomic-file.ts";
import type { ShardFolder } from "../shards/shard-folder.ts";
import type { Engine, SubmittedJob, TasksLeft } from "./engine.ts";
import { kubernetes } from "./kubernetes.ts";
import { slurm } from "./slurm.ts";

/** The kinds of inventory that run shards. */
export type EngineSettings = InventoryOf<"local" | "slurm" | "kubernetes">;

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

/** Rejects as the engine does. */
export async function tasksLeft({ engine, jobs }: JobList): Promise<TasksLeft> {
  const own = queueOf(engine);
  if (own !== null) return own.left(jobs);
  return { running: jobs.filter(isProcess).length, waiting: 0 };
}

/** Rejects as the engine does. */
export async function cancelJobs({ engine, jobs }: JobList): Promise<void> {
  const own = queueOf(engine);
  if (own !== null) await own.cancel(jobs);
  else for (const job of jobs.filter(isProcess)) process.kill(pidOf(job), "SIGTERM");
}

/** The engine that queues jobs; null for processes of this machine. */
export function queueOf(settings: EngineSettings): Engine | null {
  switch (settings.kind) {
    case "local":
      return null;
    case "slurm":
      return slurm(settings);
    case "kubernetes":
      return kubernetes(settings);
    default:
      return unreachable(settings);
  }
}

/** This process as a job that runs `shards` by processes of its own. */
export function ownJob(shards: string): SubmittedJob {
  return { id: processId(process.pid), shards };
}

/** Names a process of all that ever were. */
function processId(pid: number): string {
  return `${hostname()}:${pid}:${startOf(pid)}`;
}

function pidOf({ id }: SubmittedJob): number {
  return Number(id.split(":").at(-2));
}

function isProcess(job: SubmittedJob): boolean {
  const pid = pidOf(job);
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  return job.id === processId(pid);
}

/** Ticks from the machine's start to the process's; nothing where the kernel does not tell. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Field 22; the name before may have spaces.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return "";
  }
}
