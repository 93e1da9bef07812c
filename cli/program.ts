/**
 * The commands, as data. Each command's work is loaded only when it is called.  `dist/bundle` holds this file with all
 * that it loads.
 */
import { z } from "zod";
import { VERSION } from "../build/version.ts";
import { exitCodeOf } from "../engine/basics/fault.ts";
import { option, required, text } from "../library/option.ts";
import { type Command, command, type Program, runProgram } from "./command-line.ts";
import { printFailure } from "./failure.ts";
import {
  CHECK,
  COMPARE,
  DEMO,
  DIRECTORY,
  EXPLAIN,
  IMPORT_COMMAND,
  INIT,
  JSON_OPTION,
  PLAN_COMMAND,
  QUERY,
  REPORT,
  results,
  SCENARIO,
  SCHEDULER,
  SCHEDULERS,
  SIMULATE,
} from "./options.ts";
import { CALIBRATE, CLUSTER, DEPLOY, LOAD, VALIDATE, WEB } from "./real-commands.ts";

const init = command({
  usage: "init <directory>",
  about: "write a commented scenario to start from, or a scheduler of your own",
  positionals: DIRECTORY,
  examples: [
    ["init my-pipeline", "writes my-pipeline/scenario.yaml"],
    ["init --policy my-scheduler", "writes my-scheduler/fair-queue.mjs and its test"],
  ],
  options: INIT,
  run: async (args) => (await import("./init.ts")).init(args),
});

const check = command({
  usage: "check <scenario>",
  about:
    "start nothing: print every issue at once with line and hint, also of schedulers tried out",
  positionals: SCENARIO,
  options: CHECK,
  examples: [
    ["check my-pipeline/scenario.yaml", "is it sound?"],
    ["check s.yaml --on inventory.yaml", "and has every node of it a machine?"],
  ],
  run: async (args) => (await import("./inspect.ts")).check(args),
});

const importTimes = command({
  usage: "import <file>",
  about: "write a profile from times that another tool measured",
  positionals: { file: required("of the tool, or folder") },
  options: IMPORT_COMMAND,
  examples: [
    [
      "import perf.csv --model resnet50 --device T4 --out profiles/resnet50.json",
      "of perf_analyzer -f",
    ],
    ["import mlperf_log_summary.txt --model bert --out profiles/bert.json", "a SingleStream run"],
    ["import my.csv --columns time=ms,batch=n --unit ms --model m --device gpu", "any CSV file"],
    [
      "import tables/ --layers 32 --model llama-3.1-8b --device rtx4090 --out steps.json",
      "a folder of LLMServingSim's profiler: times of a language model's layers",
    ],
  ],
  run: async (args) => (await import("./calibrate.ts")).importTimes(args),
});

const simulate = command({
  usage: "simulate <scenario>",
  about: "simulate all configurations × replications",
  positionals: SCENARIO,
  options: SIMULATE,
  examples: [
    ["simulate my-pipeline/scenario.yaml", "a table on the terminal"],
    ["simulate s.yaml --set workload.ratePerS=40 --out out/s", "results to a folder"],
    ["simulate s.yaml --sample latin-hypercube 9", "9 points of a grid of any size"],
    ["simulate s.yaml --trace run.json", "every batch on a time line, in ui.perfetto.dev"],
    ["simulate s.yaml --on slurm.yaml --out out/s", "as a job array; then results as ever"],
    ["simulate s.yaml --shard 3/8 --out out/s", "the fourth of eight shards, anywhere"],
  ],
  run: async (args) => (await import("./simulate.ts")).simulate(args),
});

const SHARDS = { directory: required("of the shards' --out") };

const gather = command({
  isAdvanced: true,
  usage: "gather <directory>",
  about: "make the results of a sweep from its shards: the same as without shards",
  positionals: SHARDS,
  options: JSON_OPTION,
  examples: [["gather out/s", "then query, report and compare out/s as ever"]],
  run: async (args) => (await import("./simulate.ts")).gather(args),
});

const sweep: Command = {
  isAdvanced: true,
  usage: "sweep <action>",
  about: "a sweep in shards: how far it is, and how to end it",
  examples: [["sweep status out/s", "what is finished, failed, running and waiting?"]],
  commands: [
    command({
      usage: "status <directory>",
      about: "count the shards that are finished, failed, running and waiting",
      positionals: SHARDS,
      options: JSON_OPTION,
      examples: [["sweep status out/s", "from any shell that sees the folder"]],
      run: async (args) => (await import("./simulate.ts")).sweepStatus(args),
    }),
    command({
      usage: "cancel <directory>",
      about: "end the jobs of a sweep; finished shards are kept",
      positionals: SHARDS,
      options: JSON_OPTION,
      examples: [["sweep cancel out/s", "the command that started it goes on later"]],
      run: async (args) => (await import("./simulate.ts")).sweepCancel(args),
    }),
  ],
};

const schedulers = command({
  usage: "schedulers [name]",
  about: "list presets and policies, explain one, or find the one or its placement for a scenario",
  positionals: SCHEDULER,
  options: SCHEDULERS,
  examples: [
    ["schedulers", "all, a line each"],
    ["schedulers power-of-two", "when does it fail, and what are its parameters?"],
    ["schedulers --for my-pipeline/scenario.yaml", "which one for this case, and why?"],
    ["schedulers --place s.yaml > placed.yaml", "AlpaServe's groups of devices, to simulate"],
  ],
  run: async (args) => (await import("./inspect.ts")).schedulers(args),
});

const plan = command({
  usage: "plan <scenario>",
  about: "find the cheapest cluster, placement and scheduler that keep the SLOs",
  positionals: SCENARIO,
  options: PLAN_COMMAND,
  examples: [
    ["plan my-pipeline/scenario.yaml", "which replicas, under which scheduler?"],
    ["plan s.yaml --set 'sweep={workload.ratePerS: [10, 20, 40]}'", "what does more load cost?"],
    ["plan s.yaml --set 'sweep={cluster.replicas.detect: [2, 9]}'", "with 2 to 9 of a task"],
    [
      "plan s.yaml --set 'sweep={models.m.profile: [a.json, b.json]}'",
      "which of these is cheapest?",
    ],
    ["plan s.yaml --schedulers fifo,edf --budget 30s", "a shorter search"],
    ["plan s.yaml --out out/plan", "then validate out/plan/plan.yaml, and report out/plan"],
  ],
  run: async (args) => (await import("./plan.ts")).plan(args),
});

const query = command({
  usage: "query <directory> [sql]",
  about: "ask a sweep's results in SQL: configurations, metrics, tasks, pipelines, replications",
  positionals: {
    ...results("of --out"),
    sql: text("one SELECT; without it: tables and columns"),
  },
  options: QUERY,
  examples: [
    [
      "query out/s 'select id, latencyP99Ms from configurations order by 2 limit 10'",
      "the ten fastest",
    ],
    [
      "query out/s 'select scheduler, avg(latencyP99Ms) from configurations group by 1'",
      'a swept path is a column: scheduler, "workload.ratePerS"',
    ],
    [
      "query out/s 'from tasks where metric = $$queueWaitMeanMs$$' --csv",
      "each task's wait, as CSV",
    ],
    ["query out/s", "the tables that there are, and their columns"],
  ],
  run: async (args) => (await import("./results.ts")).query(args),
});

const compare = command({
  usage: "compare <directories..>",
  about: "did a change matter? paired differences of two or more results, against the first",
  positionals: {
    directories: option(
      z.array(results("").directory),
      "of simulate --out, with the same seed and swept values",
    ),
  },
  options: COMPARE,
  examples: [
    ["compare out/before out/after", "which configurations became better or worse?"],
    ["compare out/before out/after --out changes.html", "the same as a page"],
  ],
  run: async (args) => (await import("./results.ts")).compare(args),
});

const explain = command({
  usage: "explain <directory>",
  about: "say where a gap comes from: service, network, gateway, queueing, load",
  positionals: results("of `tandem validate … --out`"),
  options: EXPLAIN,
  examples: [
    ["explain out/v", "each configuration's gap, in five parts that add up"],
    ["explain out/v --trace run.json", "both runs of the first configuration on a time line"],
  ],
  run: async (args) => (await import("./results.ts")).explain(args),
});

const report = command({
  usage: "report <directory>",
  about: "one self-contained HTML file, and each chart as Vega-Lite JSON, SVG and, with --png, PNG",
  positionals: results("of --out"),
  examples: [["report out/s", "writes out/s/report.html"]],
  options: REPORT,
  run: async (args) => (await import("./results.ts")).report(args),
});

const demo = command({
  usage: "demo",
  about: "the whole path on this machine: prepare, calibrate, simulate, validate, report",
  options: DEMO,
  examples: [
    ["demo --images ~/Pictures/cars", "with your own photographs"],
    ["demo --llm", "a small language model that answers from documents"],
  ],
  run: async (args) => (await import("./demo.ts")).demo(args),
});

const completion = command({
  usage: "completion <shell>",
  about: "print a script that lets a shell complete commands, options and values",
  positionals: {
    shell: option(z.enum(["bash", "zsh", "fish"]), "whose script"),
  },
  examples: [
    [
      "completion bash > ~/.local/share/bash-completion/completions/tandem",
      "from the next shell on",
    ],
    ["completion zsh > ~/.zfunc/_tandem", "with ~/.zfunc in $fpath"],
    ["completion fish > ~/.config/fish/completions/tandem.fish", "fish reads it at once"],
  ],
  run: async ({ shell }) =>
    process.stdout.write((await import("./completion.ts")).COMPLETION_SCRIPTS[shell]),
});

const doctor = command({
  usage: "doctor",
  about: "what works on this machine, what each part is for, and what to install",
  options: JSON_OPTION,
  examples: [["doctor", "takes a few seconds: it watches the host too"]],
  run: async (args) => (await import("./inspect.ts")).doctor(args),
});

const program: Program = {
  name: "tandem",
  about: "Which scheduler, on which cluster, serves an inference pipeline at the least cost?",
  version: VERSION,
  examples: [
    ["init my-pipeline", "start here: writes a commented scenario"],
    ["simulate my-pipeline/scenario.yaml", "simulates it, and names the cheapest configuration"],
    ["simulate --help", "options and examples of a command"],
  ],
  commands: [
    ...[init, check, CALIBRATE, importTimes, simulate, query, compare, plan, VALIDATE],
    ...[gather, sweep, CLUSTER, DEPLOY, LOAD, WEB, explain, report, demo, schedulers],
    ...[completion, doctor],
  ],
};

/** Runs the command that `words` ask for, prints its failure if it has one, and gives the exit code. */
export async function tandem(words: readonly string[]): Promise<number> {
  try {
    if (words[0] === "--complete") {
      (await import("./completion.ts")).printCandidates(program, words[1] ?? "");
    } else await runProgram(program, words);
    return 0;
  } catch (error) {
    printFailure(error);
    return exitCodeOf(error);
  }
}

/** Runs this process's command line. */
export function run(): void {
  // The reader of the output has closed it (`| head`, `2>&1 | head`): no error.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      process.exit(0);
    });
  }
  tandem(process.argv.slice(2)).then((code) => {
    process.exitCode = code;
  });
}
