/** Commands that simulate, as data, and those on a sweep in shards, which `simulate --on` and `--shard` start. */
import {
  type Command,
  flag,
  JSON_OPTION,
  number,
  required,
  SCENARIO,
  SEED,
  SET,
  text,
} from "./command-line.ts";

import type { ShardArguments, SweepOnArguments } from "./shard.ts";
import type { SimulateArguments } from "./simulate.ts";

export const SIMULATE: Command = {
  usage: "simulate <scenario>",
  about: "simulate all configurations × replications",
  positionals: SCENARIO,
  options: {
    ...SET,
    ...JSON_OPTION,
    ...SEED,
    out: text("folder for results (results.json)"),
    replications: number("replications of each configuration"),
    until: text("add replications until half widths are below so much of the mean, as 2%"),
    "until-metrics": text("of these metrics; default: latencyMeanMs,latencyP99Ms"),
    "max-replications": number("bound for --until; default 1000"),
    compare: text("rank by these swept paths; default: the scheduler's"),
    margin: text("differences up to this share of the best mean are ties; default: 1%"),
    workers: number("threads; default: as many as pay"),
    sample: {
      type: "string",
      nargs: 2,
      describe: "latin-hypercube N or random N: draw N configurations of the sweep",
    },
    requests: flag("keep a row for each request too (needs --out)"),
    trace: text("file for a trace of the first configuration's first run, for ui.perfetto.dev"),
    yes: flag("run a sweep of more than 10,000 configurations"),
    on: text("inventory: run the sweep in shards there (needs --out)"),
    shards: number("of --on; default: as many as take --shard-seconds each", { implies: "on" }),
    "shard-seconds": number("least time of a shard, by an estimate", { default: 30 }),
    detach: { type: "boolean", describe: "with --on: submit, and do not wait", implies: "on" },
    shard: text("run one shard of a sweep: i/N, or N in an array job (needs --out)"),
    "shard-list": text("shards of the array job's tasks, as 0-9,12", { implies: "shard" }),
  },
  examples: [
    ["simulate my-pipeline/scenario.yaml", "a table on the terminal"],
    ["simulate s.yaml --set workload.ratePerS=40 --out out/s", "results to a folder"],
    ["simulate s.yaml --sample latin-hypercube 200", "200 points of a large grid"],
    ["simulate s.yaml --trace run.json", "every batch on a time line, in ui.perfetto.dev"],
    ["simulate s.yaml --on slurm.yaml --out out/s", "as a job array; then results as ever"],
    ["simulate s.yaml --shard 3/8 --out out/s", "the fourth of eight shards, anywhere"],
  ],
  run: async (args: { readonly on?: string; readonly shard?: string }) => {
    if (args.shard !== undefined) {
      await (await import("./shard.ts")).simulateShard(args as ShardArguments);
    } else if (args.on !== undefined) {
      await (await import("./shard.ts")).sweepOn(args as SweepOnArguments);
    } else await (await import("./simulate.ts")).simulate(args as SimulateArguments);
  },
};

const FOLDER = { directory: required("of the shards' --out") };

export const GATHER: Command = {
  usage: "gather <directory>",
  about: "make the results of a sweep from its shards: the same as without shards",
  positionals: FOLDER,
  options: JSON_OPTION,
  examples: [["gather out/s", "then query, report and compare out/s as ever"]],
  run: async (args) => (await import("./shard.ts")).gather(args),
};

export const SWEEP: Command = {
  usage: "sweep <action>",
  about: "a sweep in shards: how far it is, and how to end it",
  examples: [["sweep status out/s", "what is finished, failed, running and waiting?"]],
  commands: [
    {
      usage: "status <directory>",
      about: "count the shards that are finished, failed, running and waiting",
      positionals: FOLDER,
      options: JSON_OPTION,
      examples: [["sweep status out/s", "from any shell that sees the folder"]],
      run: async (args) => (await import("./shard.ts")).sweepStatus(args),
    },
    {
      usage: "cancel <directory>",
      about: "end the jobs of a sweep; finished shards are kept",
      positionals: FOLDER,
      options: JSON_OPTION,
      examples: [["sweep cancel out/s", "the command that started it goes on later"]],
      run: async (args) => (await import("./shard.ts")).sweepCancel(args),
    },
  ],
};
