/**
 * `tandem simulate`: all configurations × replications, on this machine or in shards on others; and `tandem gather`,
 * `tandem sweep status` and `tandem sweep cancel` for sweeps in shards.
 */
import { once } from "node:events";
import { join, relative, resolve } from "node:path";
import { Fault } from "../engine/basics/fault.ts";
import {
  type ConfigurationResult,
  failureText,
  repeatCommand,
  resultsText,
  type Scenario,
  type ShardEstimate,
  type SubmittedJob,
  type SweepOptions,
  type SweepStatus,
  type Swept,
  shards as sharded,
  sweepThen,
  trace,
} from "../library/index.ts";
import { plural } from "../reports/tables/format.ts";
import { placementLines } from "../reports/tables/result-tables.ts";
import {
  configurationsText,
  documentNotesText,
  goalLines,
  notesText,
  pipelinesText,
  rankingText,
} from "../reports/tables/terminal-text.ts";
import { shellWord } from "../scenario/inventory/command-words.ts";
import { AtomicFile } from "../sweep/atomic-file.ts";
import { parseList } from "../sweep/engines/engine.ts";
import { columns, print } from "./command-line.ts";
import { printWarning, untilInterrupted } from "./failure.ts";
import type { Arguments, JSON_OPTION, results, SCENARIO, SIMULATE } from "./options.ts";
import { duration, progress, watched } from "./progress.ts";
import { doubtOverrides, loadScenario } from "./scenario-file.ts";

export type SimulateArguments = Arguments<typeof SCENARIO, typeof SIMULATE>;

export async function simulate(args: SimulateArguments): Promise<void> {
  if (args.shard !== undefined) await simulateShard(args);
  else if (args.on !== undefined) await sweepOn(args, args.on);
  else await simulateHere(args);
}

async function simulateHere(args: SimulateArguments): Promise<void> {
  // A place that cannot be written is found before the simulation.
  if (args.trace !== undefined) new AtomicFile(args.trace).close();
  const { loaded, options } = await askedSweep(args);
  await sweepAnd(loaded, options, (swept) => printResults(swept, args));
  if (args.trace === undefined) return;
  const { id, configurations, note } = await trace(loaded, args.trace, options);
  const which =
    configurations === 1 ? "" : ` of ${id}, the first of ${configurations} configurations`;
  const cut = note === undefined ? "" : `, ${note}`;
  process.stderr.write(`trace${which}: ${args.trace}${cut}; open it in ui.perfetto.dev\n`);
}

/** The scenario and the sweep that the options ask for. Rejects with a Fault for those that ask for none. */
export async function askedSweep(
  args: SimulateArguments,
): Promise<{ readonly loaded: Scenario; readonly options: SweepOptions }> {
  const loaded = await loadScenario(args, { overrides: doubtOverrides(args) });
  return { loaded, options: { ...args, stores: join(".tandem", "sweeps") } };
}

/** Sweeps with a bar of progress until Ctrl-C, and gives what `use` makes of the results. */
export async function sweepAnd<T>(
  loaded: Scenario,
  options: SweepOptions,
  use: (swept: Swept) => T | Promise<T>,
): Promise<T> {
  const shown = progress("simulate");
  let kept = "";
  return untilInterrupted(
    (signal) =>
      sweepThen(
        loaded,
        {
          ...options,
          signal,
          onNote: printWarning,
          onProgress: (step) => {
            kept = `: ${step.done} of ${plural(step.total, "configuration")} kept`;
            shown.onProgress(step);
          },
        },
        (swept) => {
          shown.stop();
          return use(swept);
        },
      ).finally(shown.stop),
    () => kept,
    "the same command goes on from there",
  );
}

/** To the terminal: tables, or the JSON document, one configuration at a time in memory. */
async function printResults(
  swept: Swept,
  { json, directory }: Pick<SimulateArguments, "json" | "directory">,
): Promise<void> {
  for (const piece of json ? resultsText(swept) : [tablesText(swept, directory)]) {
    // Waits for a reader that is slower, so that no more than a piece is held.
    if (!process.stdout.write(piece)) await once(process.stdout, "drain");
  }
}

/** For the best of more, there is the report. */
const MOST_JUDGED = 10_000;

function tablesText({ count, configurations: all, ...header }: Swept, out?: string): string {
  const width = columns();
  const configurations: ConfigurationResult[] = [];
  for (const { latencyCurve: _, ...one } of all) {
    if (configurations.push(one) === MOST_JUDGED) break;
  }
  const document = { ...header, configurations };
  const isAll = count <= MOST_JUDGED;
  const lines = [
    configurationsText(document, width),
    ...pipelinesText(document, width),
    ...(isAll ? [] : [`of the first ${MOST_JUDGED} of ${count} configurations`]),
    ...placementLines(document, width),
    ...documentNotesText(header, width),
    ...notesText(configurations, width),
    ...(isAll ? goalLines(document, width) : []),
    ...rankingText(document, width),
    ...(count > 1 && configurations.every((one) => one.replications === 1)
      ? ["one replication: no difference between configurations can be told from noise"]
      : []),
    `seed ${header.seed} · scenario ${header.scenario.digest} · repeat: ${header.command}`,
  ];
  if (out !== undefined) {
    const charts = repeatCommand("report", out, {});
    lines.push(`results: ${join(out, "results.json")} · charts: ${charts}`);
  }
  return `${lines.join("\n")}\n`;
}

/** Exit codes: 4, 130 and those of signals pay to be tried again. */
async function simulateShard(args: SimulateArguments): Promise<void> {
  const { shard, shards } = askedShard(args, process.env);
  const directory = requireFolder(args);
  const { loaded, options } = await askedSweep(args).catch(async (error: unknown) => {
    await sharded.noteFailure(directory, shard, error);
    throw error;
  });
  const record = await watched(
    `shard ${shard}/${shards}`,
    (watch) => sharded.run(loaded, { ...options, directory, shard, shards, ...watch }),
    kept,
  );
  const count = plural(record.end - record.first, "configuration");
  const took = `${record.seconds.toFixed(1)} s on ${record.host}`;
  print(args.json, record, `shard ${shard} of ${shards}: ${count} in ${took}`);
}

/** Submits what is missing, waits for it, and gathers it; or only submits it. */
async function sweepOn(args: SimulateArguments, on: string): Promise<void> {
  const directory = requireFolder(args);
  const { shards, shardSeconds, detach, json } = args;
  const { loaded, options } = await askedSweep(args);
  const asked = { ...options, directory, on, shards, shardSeconds, detach };
  const onEstimate = (estimate: ShardEstimate): void => tellEstimate(estimate, shardSeconds);
  const jobs = await watched(
    "shards",
    (watch) => sharded.start(loaded, { ...asked, ...watch, onNote: printWarning, onEstimate }),
    kept,
  );
  if (detach) tellDetached(directory, jobs, json);
  else await gather({ directory, json });
}

const kept = (): string => ": finished shards are kept";

/** Throws Fault("usage") without a folder. */
function requireFolder({ directory }: SimulateArguments): string {
  if (directory !== undefined) return directory;
  throw new Fault("usage", "shards need a folder that all machines see", {
    hint: "give --out DIR",
  });
}

const INDEX_VARIABLES = ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"];

/** Throws Fault("usage") for options that name no shard. */
export function askedShard(
  { shard: text = "", shardList }: Pick<SimulateArguments, "shard" | "shardList">,
  environment: Readonly<Record<string, string | undefined>>,
): { readonly shard: number; readonly shards: number } {
  const [, given, number] = /^(?:(\d+)\/)?(\d+)$/.exec(text.trim()) ?? [];
  if (number === undefined) {
    const hint = "--shard 0/8 is the first of eight; --shard 8 takes the index of an array job";
    throw new Fault("usage", `--shard ${text}: expected i/N or N`, { hint });
  }
  const variable = INDEX_VARIABLES.find((name) => /^\d+$/.test(environment[name] ?? ""));
  if (given === undefined && variable === undefined) {
    const names = INDEX_VARIABLES.join(" or ");
    throw new Fault("usage", `--shard ${text}: no ${names} gives the index`, {
      hint: `outside an array job, name one: --shard 0/${number}`,
    });
  }
  const shards = Number(number);
  const index = Number(given ?? environment[variable as string]);
  const list = given === undefined && shardList !== undefined ? parseList(shardList) : undefined;
  const shard = list === undefined ? index : list[index];
  if (shard !== undefined && shard < shards) return { shard, shards };
  const from = given === undefined ? ` (from ${variable})` : "";
  const there = `there is no shard ${index}${from} of ${list?.length ?? shards}`;
  throw new Fault("usage", `--shard: ${there}`, { hint: "shards are numbered from 0" });
}

function tellEstimate(
  { configurations, shards, secondsEach, fewer }: ShardEstimate,
  shardSeconds: number,
): void {
  const work = `${plural(configurations, "configuration")} in ${plural(shards, "shard")}`;
  process.stderr.write(`${work} of about ${duration(secondsEach)}\n`);
  if (fewer === undefined) return;
  printWarning(
    `shards of less than ${shardSeconds} s spend much of their time on starting: \`--shards ${fewer}\` would do`,
  );
}

function tellDetached(out: string, jobs: readonly SubmittedJob[], json: boolean): void {
  const word = shellWord(relative(process.cwd(), out) || out);
  const ids = jobs.map(({ id }) => id).join(", ");
  print(
    json,
    { schema: "tandem/sweep-jobs@1", directory: resolve(out), jobs },
    `submitted: ${ids}\nhow far: tandem sweep status ${word} · end it: tandem sweep cancel ${word} · results: tandem gather ${word}`,
  );
}

type FolderArguments = Arguments<ReturnType<typeof results>, typeof JSON_OPTION>;

/** The shards as the results of `tandem simulate --out`, to the byte. Rejects with Fault("unavailable") while some are missing. */
export async function gather({ directory, json }: FolderArguments): Promise<void> {
  const { loaded, options } = await sharded.gather(directory);
  await sweepAnd(loaded, options, (swept) => printResults(swept, { json, directory }));
}

export async function sweepStatus({ directory, json }: FolderArguments): Promise<void> {
  const status = await sharded.status(directory);
  print(json, status, statusLines(status, directory).join("\n"));
}

/** Ends the jobs; the shards that are finished stay. */
export async function sweepCancel({ directory, json }: FolderArguments): Promise<void> {
  const { running, waiting, finished, shards } = await sharded.cancel(directory);
  const cancelled = running + waiting;
  const ended = cancelled === 0 ? "nothing was running" : "cancelled";
  const kept = `${finished} of ${plural(shards, "shard")} kept`;
  const text = `${ended}; ${kept}: the command that started it goes on from there`;
  print(json, { cancelled, finished, shards }, text);
}

const MOST_FAILURES = 5;

function statusLines(status: SweepStatus, directory: string): readonly string[] {
  const { shards, finished, failed, configurations, failures, shardSeconds } = status;
  const all = plural(configurations, "configuration");
  const each = `${(shardSeconds / finished).toFixed(1)} s a shard`;
  return [
    `${finished} of ${plural(shards, "shard")} finished (${status.finishedConfigurations} of ${all}), ${failed} failed; ${workText(status)}`,
    ...(finished > 0 ? [`${duration(shardSeconds)} of computing, ${each}`] : []),
    ...failures.slice(0, MOST_FAILURES).map((one) => `shard ${one.shard}: ${failureText(one)}`),
    nextStep(status, shellWord(directory)),
  ];
}

function workText({ engine, running, waiting, reason }: SweepStatus): string {
  if (engine === null) return "run without a queue";
  const why = reason === undefined ? "" : ` (${reason})`;
  return `${engine}: ${running} running, ${waiting} waiting${why}`;
}

function nextStep({ shards, finished, gathered, ...left }: SweepStatus, folder: string): string {
  if (left.running + left.waiting > 0) return `end it: tandem sweep cancel ${folder}`;
  if (finished < shards) return "go on: the command that started it runs only what is missing";
  if (gathered) return `gathered: results.json and its tables are there`;
  return `gather it: tandem gather ${folder}`;
}
