#!/usr/bin/env node
/** The command line. Each command's work is loaded only when it is called. */
import yargs, { type Argv } from "yargs";
import { hideBin } from "yargs/helpers";
import { Fault } from "../core/fault.ts";
import { exitCodeOf, printFailure } from "./failure.ts";

const scenario = (command: Argv): Argv =>
  command
    .positional("scenario", {
      type: "string",
      describe: "scenario file (YAML)",
      demandOption: true,
    })
    .option("set", {
      type: "string",
      array: true,
      default: [] as string[],
      describe: "override a value of the scenario: path=value",
    });

const json = (command: Argv): Argv =>
  command.option("json", {
    type: "boolean",
    default: false,
    describe: "print one JSON document on stdout and nothing else",
  });

const seed = (command: Argv): Argv =>
  command.option("seed", { type: "number", describe: "seed of the first stream of chance" });

const parser = yargs(hideBin(process.argv))
  .scriptName("tandem")
  .usage("$0 <command> <scenario.yaml> [options]")
  .command(
    "init <directory>",
    "write a commented scenario to start from",
    (command) =>
      command
        .positional("directory", { type: "string", demandOption: true })
        .example("$0 init my-pipeline", "writes my-pipeline/scenario.yaml"),
    async (args) => (await import("./init.ts")).init(args.directory),
  )
  .command(
    "check <scenario>",
    "parse only: print every issue at once with line and hint",
    (command) =>
      json(scenario(command)).example("$0 check scenarios/image-analysis.yaml", "is it sound?"),
    async (args) => (await import("./check.ts")).check(args as never),
  )
  .command(
    "calibrate <scenario>",
    "measure every task's real model on this machine and write profiles",
    (command) =>
      json(scenario(command))
        .option("images", { type: "string", describe: "folder of photographs to measure with" })
        .option("precision", {
          type: "number",
          default: 0.02,
          describe: "go on until the mean's 95% half width is below this share of it",
        })
        .option("max-seconds", {
          type: "number",
          default: 60,
          describe: "bound on the measurement of service times, in all",
        })
        .example("$0 calibrate scenarios/image-analysis.yaml", "writes the profiles it names"),
    async (args) => {
      await (await import("./calibrate.ts")).calibrate(args as never);
    },
  )
  .command(
    "simulate <scenario>",
    "simulate all configurations × replications",
    (command) =>
      seed(json(scenario(command)))
        .option("out", { type: "string", describe: "folder for results (results.json)" })
        .option("replications", { type: "number", describe: "replications of each configuration" })
        .option("until", {
          type: "string",
          describe: "add replications until half widths are below so much of the mean, as 2%",
        })
        .option("until-metrics", {
          type: "string",
          describe: "of these metrics; default: latencyMeanMs,latencyP99Ms",
        })
        .option("max-replications", { type: "number", describe: "bound for --until; default 1000" })
        .option("compare", {
          type: "string",
          describe: "rank by these swept paths; default: the scheduler's",
        })
        .option("workers", { type: "number", describe: "threads; default: one per core" })
        .option("sample", {
          type: "string",
          nargs: 2,
          describe: "latin-hypercube N or random N: draw N configurations from the sweep",
        })
        .option("requests", {
          type: "boolean",
          default: false,
          describe: "keep a row for each request too (needs --out)",
        })
        .option("yes", {
          type: "boolean",
          default: false,
          describe: "run a sweep of more than 10,000 configurations",
        })
        .example("$0 simulate scenarios/queueing/mm1.yaml", "a table on the terminal")
        .example("$0 simulate s.yaml --set workload.ratePerS=40 --out out/s", "results to a folder")
        .example("$0 simulate s.yaml --sample latin-hypercube 200", "200 points of a large grid"),
    async (args) => {
      await (await import("./simulate.ts")).simulate(args as never);
    },
  )
  .command(
    "query <directory> <sql>",
    "ask a sweep's results in SQL: configurations, metrics, tasks, replications",
    (command) =>
      json(command)
        .positional("directory", { type: "string", demandOption: true, describe: "of --out" })
        .positional("sql", { type: "string", demandOption: true, describe: "one SELECT" })
        .option("csv", { type: "boolean", default: false, describe: "print CSV" })
        .example(
          "$0 query out/s 'select id, latencyP99Ms from configurations order by 2 limit 10'",
          "the ten fastest",
        )
        .example(
          "$0 query out/s 'select scheduler, avg(latencyP99Ms) from configurations group by 1'",
          'a swept path is a column: scheduler, "workload.ratePerS"',
        )
        .example(
          "$0 query out/s 'from tasks where metric = $$queueWaitMeanMs$$' --csv",
          "each task's wait, as CSV",
        )
        .example("$0 query out/s 'describe configurations'", "the columns of a table"),
    async (args) => (await import("./query.ts")).query(args as never),
  )
  .command(
    "validate <scenario>",
    "simulate and run chosen configurations for real, compare, judge",
    (command) =>
      seed(json(scenario(command)))
        .option("out", { type: "string", describe: "folder for results (validation.json)" })
        .option("repeats", { type: "number", describe: "real runs of each configuration, >= 3" })
        .option("backend", {
          choices: ["onnx", "replay"] as const,
          describe: "run the real models, or replay measured times",
        })
        .option("images", { type: "string", describe: "folder of photographs to send" })
        .example("$0 validate scenarios/seed-table-5.1.yaml --out out/seed", "judge the table"),
    async (args) => (await import("./validate.ts")).validate(args as never),
  )
  .command(
    "cluster <action> <scenario>",
    "start, show or stop the real deployment",
    (command) =>
      json(scenario(command))
        .positional("action", { choices: ["up", "status", "down"] as const, demandOption: true })
        .option("backend", { choices: ["onnx", "replay"] as const, default: "onnx" as const })
        .option("port", { type: "number", describe: "REST port of the gateway; gRPC is the next" })
        .example("$0 cluster up scenarios/image-analysis.yaml", "starts gateway and workers"),
    async (args) => (await import("./cluster.ts")).cluster(args as never),
  )
  .command(
    "load <scenario>",
    "drive any endpoint with the scenario's workload",
    (command) =>
      seed(json(scenario(command)))
        .option("url", { type: "string", demandOption: true, describe: "host:port (gRPC)" })
        .option("images", { type: "string", describe: "folder of photographs to send" })
        .example("$0 load scenarios/image-analysis.yaml --url 127.0.0.1:8001", "open-loop load"),
    async (args) => (await import("./load.ts")).load(args as never),
  )
  .command(
    "report <directory>",
    "one self-contained HTML file, and each chart as Vega-Lite JSON, SVG and PNG",
    (command) =>
      command
        .positional("directory", { type: "string", demandOption: true })
        .example("$0 report out/s", "writes out/s/report.html"),
    async (args) => (await import("./report.ts")).report(args.directory),
  )
  .command(
    "demo",
    "the whole path on this machine: prepare, calibrate, simulate, validate, report",
    (command) =>
      command
        .option("images", { type: "string", describe: "folder of your photographs to use" })
        .option("out", { type: "string", default: "out/demo", describe: "folder for results" })
        .example("$0 demo --images ~/Pictures/cars", "with your own photographs"),
    async (args) => (await import("./demo.ts")).demo(args as never),
  )
  .demandCommand(1, "name a command")
  .recommendCommands()
  .strict()
  .help()
  .wrap(Math.min(100, process.stdout.columns ?? 100))
  .fail((message, error) => {
    throw error ?? new Fault("usage", message, { hint: "see `tandem --help`" });
  });

// Whoever reads the output has enough of it (`| head`): no reason to go on, nor an error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

try {
  await parser.parseAsync();
} catch (error) {
  printFailure(error);
  process.exitCode = exitCodeOf(error);
}
