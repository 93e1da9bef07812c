/** Shards as tasks of Slurm job arrays. */

import { Fault } from "../../engine/basics/fault.ts";
import {
  SLURM_MISSING,
  shellWord,
  slurmFault,
  slurmOptions,
} from "../../scenario/inventory/command-words.ts";
import type { InventoryOf } from "../../scenario/inventory/schema.ts";
import {
  arrayOptions,
  ask,
  type Engine,
  type Finished,
  LONGEST_LIST,
  listText,
  retryingLines,
  type ShardCommand,
  type SubmittedJob,
  type TasksLeft,
} from "./engine.ts";

export type SlurmSettings = Pick<
  InventoryOf<"slurm">,
  "partition" | "account" | "qos" | "timeLimit" | "options" | "setup" | "throttle"
>;

export function slurm(settings: SlurmSettings): Engine {
  return {
    mostTasks: async () => {
      const { stdout } = await slurmSays("scontrol", ["show", "config"]);
      return mostTasksIn(stdout);
    },
    submit: async (command, shards) => {
      const script = batchScript(settings, command, shards);
      const { stdout } = await slurmSays("sbatch", ["--parsable"], script);
      // With federated clusters, `id;cluster`.
      return { id: stdout.trim().split(";")[0], shards: listText(shards) };
    },
    left: tasksLeft,
    cancel: async (jobs) => {
      const ids = jobs.map(({ id }) => id);
      if (ids.length > 0) await slurmSays("scancel", ["--quiet", ...ids], "", /Invalid job id/);
    },
  };
}

/**
 * An array's largest index is MaxArraySize − 1; `max_array_tasks` bounds the number of its tasks. Throws
 * Fault("cluster-failure") where arrays are turned off.
 */
export function mostTasksIn(config: string): number {
  const numbers = [/^MaxArraySize\s*=\s*(\d+)/m, /max_array_tasks=(\d+)/].flatMap(
    (pattern) => pattern.exec(config)?.[1] ?? [],
  );
  const most = Math.min(...numbers.map(Number), LONGEST_LIST);
  if (most > 0) return most;
  throw new Fault("cluster-failure", "this Slurm has job arrays turned off (MaxArraySize=0)", {
    hint: "run the shards by hand: `tandem simulate S --shard i/N --out DIR`, then `tandem gather DIR`",
  });
}

async function tasksLeft(jobs: readonly SubmittedJob[]): Promise<TasksLeft> {
  if (jobs.length === 0) return { running: 0, waiting: 0 };
  const ids = jobs.map(({ id }) => id).join(",");
  // Slurm forgets jobs some minutes after their end.
  const words = ["--noheader", "--array", "--format=%T", `--jobs=${ids}`];
  const { stdout } = await slurmSays("squeue", words, "", /Invalid job id/);
  const states = stdout.split("\n").filter((line) => line.trim() !== "");
  const waiting = states.filter((state) => /^(PENDING|REQUEUE|SPECIAL)/.test(state.trim())).length;
  return { running: states.length - waiting, waiting };
}

export function batchScript(
  settings: SlurmSettings,
  command: ShardCommand,
  shards: readonly number[],
): string {
  const { throttle, setup = [] } = settings;
  const { program, folder, out, name, threads } = command;
  const limit = throttle === undefined ? "" : `%${throttle}`;
  const lines = [
    ...[`--job-name=${name}`, `--array=0-${shards.length - 1}${limit}`],
    ...[`--cpus-per-task=${threads}`, "--requeue", "--open-mode=append"],
    `--output=${quotedOption(`${out}/logs/%A_%a.log`)}`,
    ...slurmOptions(settings),
  ];
  const words = [...program, ...arrayOptions(command, shards)];
  return `${[
    "#!/bin/sh",
    ...lines.map((line) => `#SBATCH ${line}`),
    `cd ${shellWord(folder)} || exit 4`,
    ...setup,
    // A node that dies restarts the task elsewhere, and Slurm counts that.
    ...retryingLines(words.map(shellWord).join(" "), "SLURM_RESTART_COUNT"),
  ].join("\n")}\n`;
}

/** Slurm reads `#SBATCH` lines itself: a value with spaces stands in double quotes. */
function quotedOption(value: string): string {
  return /\s/.test(value) ? `"${value}"` : value;
}

/** `passed`: a complaint that is no failure. */
async function slurmSays(
  program: string,
  words: readonly string[],
  input = "",
  passed?: RegExp,
): Promise<Finished> {
  const said = await ask(program, words, { input, missing: SLURM_MISSING });
  if (said.code === 0 || passed?.test(said.stderr) === true) return said;
  throw slurmFault(program, said.stderr, said.code);
}
