/** Commands on a sweep in shards, as data; `simulate --on` and `simulate --shard` start one. */
import { type Command, JSON_OPTION } from "./command-line.ts";

const FOLDER = {
  directory: { type: "string", demandOption: true, describe: "of the shards' --out" },
} as const;

export const GATHER: Command = {
  usage: "gather <directory>",
  about: "make the results of a sweep from its shards: the same as without shards",
  positionals: FOLDER,
  options: JSON_OPTION,
  examples: [["gather out/s", "then query, report and compare out/s as ever"]],
  run: async (args) => (await import("./sweep.ts")).gather(args),
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
      run: async (args) => (await import("./sweep.ts")).sweepStatus(args),
    },
    {
      usage: "cancel <directory>",
      about: "end the jobs of a sweep; finished shards are kept",
      positionals: FOLDER,
      options: JSON_OPTION,
      examples: [["sweep cancel out/s", "the command that started it goes on later"]],
      run: async (args) => (await import("./sweep.ts")).sweepCancel(args),
    },
  ],
};
