/** `tandem simulate --shard`: one shard of a sweep, on any machine that sees the sweep's folder. */
import { Fault } from "../core/fault.ts";
import { plural } from "../reports/tables/format.ts";
import { runShard } from "../sweep/shards/run-shard.ts";
import { type ResultArguments, ShardFolder } from "../sweep/shards/shard-folder.ts";
import { expectedWork, parseList, rangeOf, shardStarts } from "../sweep/shards/shard-plan.ts";
import { exitCodeOf, interruptSignal } from "./failure.ts";
import { progress } from "./progress.ts";
import { precisionWords } from "./scenario-file.ts";
import { type PreparedSweep, prepareSweep, type SimulateArguments } from "./sweep-preparation.ts";

export interface ShardArguments extends SimulateArguments {
  /** `i/N`, or `N` where the environment has the index. */
  readonly shard: string;
  /** Shards of an array of tasks, as `0-9,12`: the task's index selects one. */
  readonly shardList?: string;
}

/** Exit codes: 4, 130 and those of signals pay to be tried again. */
export async function simulateShard(args: ShardArguments): Promise<void> {
  const { shard, shards } = askedShard(args, process.env);
  const out = requireFolder(args);
  const folder = new ShardFolder(out);
  try {
    await run(args, folder, shard, shards);
  } catch (error) {
    const { message, hint } = error as Fault;
    folder.noteFailure({ shard, exit: exitCodeOf(error), message, hint });
    throw error;
  }
}

async function run(
  args: ShardArguments,
  folder: ShardFolder,
  shard: number,
  shards: number,
): Promise<void> {
  const prepared = await prepareSweep(args, (key) => folder.knows(key));
  const manifest = folder.agree(askedSweep(args, prepared, shards));
  const { first, end } = rangeOf(manifest.starts, shard);
  const interrupt = interruptSignal();
  const shown = progress(`shard ${shard}/${shards}`, { total: end - first });
  try {
    const { plan } = prepared;
    const threads = args.workers ?? 1;
    const onProgress = (done: number): void => shown.update(done);
    const { signal } = interrupt;
    await runShard({ folder, manifest, shard, plan, threads, onProgress, signal });
  } finally {
    shown.stop();
    interrupt.dispose();
  }
  const record = folder.record(shard);
  const took = record === undefined ? "" : ` in ${record.seconds.toFixed(1)} s on ${record.host}`;
  process.stdout.write(
    args.json
      ? `${JSON.stringify(record)}\n`
      : `shard ${shard} of ${shards}: ${plural(end - first, "configuration")}${took}\n`,
  );
}

/** A sweep as its manifest has it. */
export function askedSweep(
  args: SimulateArguments,
  { sweep, key }: PreparedSweep,
  shards: number,
): Parameters<ShardFolder["agree"]>[0] {
  const starts = (): readonly number[] => shardStarts(expectedWork(sweep), shards);
  return { arguments: resultArguments(args), key, configurations: sweep.count, shards, starts };
}

/** Throws Fault("usage") without a folder. */
export function requireFolder({ out }: SimulateArguments): string {
  if (out !== undefined && out.trim() !== "") return out;
  throw new Fault("usage", "shards need a folder that all machines see", {
    hint: "give --out DIR",
  });
}

const INDEX_VARIABLES = ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"];

/** Throws Fault("usage") for options that name no shard. */
export function askedShard(
  { shard: text, shardList }: Pick<ShardArguments, "shard" | "shardList">,
  environment: Readonly<Record<string, string | undefined>>,
): { readonly shard: number; readonly shards: number } {
  const [, given, number] = /^(?:(\d+)\/)?(\d+)$/.exec(text.trim()) ?? [];
  if (number === undefined) {
    const hint = "--shard 0/8 is the first of eight; --shard 8 takes the index of an array job";
    throw new Fault("usage", `--shard ${text}: expected i/N or N`, { hint });
  }
  const variable = INDEX_VARIABLES.find((name) => /^\d+$/.test(environment[name] ?? ""));
  if (given === undefined && variable === undefined) {
    throw new Fault(
      "usage",
      `--shard ${text}: no ${INDEX_VARIABLES.join(" or ")} gives the index`,
      {
        hint: `outside an array job, name one: --shard 0/${number}`,
      },
    );
  }
  const shards = Number(number);
  const index = Number(given ?? environment[variable as string]);
  const list = given === undefined && shardList !== undefined ? parseList(shardList) : undefined;
  const shard = list === undefined ? index : list[index];
  if (shard !== undefined && shard < shards) return { shard, shards };
  const from = given === undefined ? ` (from ${variable})` : "";
  throw new Fault(
    "usage",
    `--shard: there is no shard ${index}${from} of ${list?.length ?? shards}`,
    {
      hint: "shards are numbered from 0",
    },
  );
}

const RESULT_OPTIONS = [
  ...["scenario", "set", "seed", "replications", "until", "untilMetrics", "maxReplications"],
  ...["compare", "margin", "sample", "requests", "yes"],
] as const satisfies readonly (keyof SimulateArguments)[];

/** The arguments that a sweep's results depend on. */
function resultArguments(args: SimulateArguments): ResultArguments {
  return Object.fromEntries(RESULT_OPTIONS.map((name) => [name, args[name]]));
}

/** The words of `tandem` that run a shard with the same arguments; the engine adds which. */
export function shardWords(args: SimulateArguments, out: string): readonly string[] {
  const { scenario, set, seed, replications, sample, requests, yes, workers } = args;
  const numbers = Object.entries({ seed, replications, workers });
  return [
    ...["simulate", scenario],
    ...set.flatMap((assignment) => ["--set", assignment]),
    ...numbers.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, `${value}`])),
    ...precisionWords(args),
    ...(sample === undefined ? [] : ["--sample", ...sample]),
    ...(requests === true ? ["--requests"] : []),
    ...(yes ? ["--yes"] : []),
    ...["--out", out],
  ];
}
