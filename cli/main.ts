/** The command line. Each command's work is loaded only when it is called. */
import type { Command } from "commander";
import { addClusterCommands, BACKENDS } from "./cluster-commands.ts";
import { choice, examples, number, pair, parse, program, repeated } from "./command-line.ts";
import { exitCodeOf, printFailure } from "./failure.ts";
import { addLoadCommand } from "./load-command.ts";
import { VERSION } from "./version.ts";

const SET = repeated("--set <path=value>", "override a value of the scenario");

const tandem = program("tandem")
  .usage("<command> <scenario.yaml> [options]")
  .description("Which scheduler, on which cluster, serves an inference pipeline at the least cost?")
  .version(VERSION, "--version", "show the version");

function command(name: string, about: string): Command {
  return tandem.command(name).description(about);
}

/** A command whose first argument is a scenario. */
function onScenario(name: string, about: string): Command {
  return command(name, about).argument("<scenario>", "scenario file (YAML)").addOption(SET);
}

function json(of: Command): Command {
  return of.option("--json", "print one JSON document on stdout and nothing else", false);
}

function seeded(of: Command): Command {
  return of.addOption(number("--seed <n>", "seed of the first stream of chance"));
}

const init = command("init", "write a commented scenario to start from")
  .argument("<directory>")
  .action(async (directory: string) => (await import("./init.ts")).init(directory));
examples(init, ["tandem init my-pipeline", "writes my-pipeline/scenario.yaml"]);

const check = json(onScenario("check", "parse only: print every issue at once with line and hint"));
check.action(async (scenario: string, options) =>
  (await import("./check.ts")).check({ scenario, ...options }),
);
examples(check, ["tandem check scenarios/image-analysis.yaml", "is it sound?"]);

const calibrate = json(
  onScenario("calibrate", "measure every task's real model on this machine and write profiles"),
)
  .option("--images <dir>", "folder of photographs to measure with")
  .addOption(
    number(
      "--precision <share>",
      "go on until the mean's 95% half width is below this share of it",
    ).default(0.02),
  )
  .addOption(
    number("--max-seconds <s>", "bound on the measurement of service times, in all").default(60),
  )
  .action(async (scenario: string, options) => {
    await (await import("./calibrate.ts")).calibrate({ scenario, ...options });
  });
examples(calibrate, [
  "tandem calibrate scenarios/image-analysis.yaml",
  "writes the profiles it names",
]);

const simulate = seeded(json(onScenario("simulate", "simulate all configurations × replications")))
  .option("--out <dir>", "folder for results (results.json)")
  .addOption(number("--replications <n>", "replications of each configuration"))
  .option(
    "--until <share>",
    "add replications until half widths are below so much of the mean, as 2%",
  )
  .option("--until-metrics <list>", "of these metrics; default: latencyMeanMs,latencyP99Ms")
  .addOption(number("--max-replications <n>", "bound for --until; default 1000"))
  .option("--compare <list>", "rank by these swept paths; default: the scheduler's")
  .addOption(number("--workers <n>", "threads; default: as many as pay"))
  .addOption(
    pair(
      "--sample <method n>",
      "latin-hypercube N or random N: draw N configurations of the sweep",
    ),
  )
  .option("--requests", "keep a row for each request too (needs --out)", false)
  .option("--yes", "run a sweep of more than 10,000 configurations", false)
  .action(async (scenario: string, options) => {
    await (await import("./simulate.ts")).simulate({ scenario, ...options });
  });
examples(
  simulate,
  ["tandem simulate scenarios/queueing/mm1.yaml", "a table on the terminal"],
  ["tandem simulate s.yaml --set workload.ratePerS=40 --out out/s", "results to a folder"],
  ["tandem simulate s.yaml --sample latin-hypercube 200", "200 points of a large grid"],
);

const query = json(
  command("query", "ask a sweep's results in SQL: configurations, metrics, tasks, replications"),
)
  .argument("<directory>", "of --out")
  .argument("<sql>", "one SELECT")
  .option("--csv", "print CSV", false)
  .action(async (directory: string, sql: string, options) =>
    (await import("./query.ts")).query({ directory, sql, ...options }),
  );
examples(
  query,
  [
    "tandem query out/s 'select id, latencyP99Ms from configurations order by 2 limit 10'",
    "the ten fastest",
  ],
  [
    "tandem query out/s 'select scheduler, avg(latencyP99Ms) from configurations group by 1'",
    'a swept path is a column: scheduler, "workload.ratePerS"',
  ],
  [
    "tandem query out/s 'from tasks where metric = $$queueWaitMeanMs$$' --csv",
    "each task's wait, as CSV",
  ],
  ["tandem query out/s 'describe configurations'", "the columns of a table"],
);

const validate = seeded(
  json(onScenario("validate", "simulate and run chosen configurations for real, compare, judge")),
)
  .option("--out <dir>", "folder for results (validation.json)")
  .addOption(number("--repeats <n>", "real runs of each configuration, >= 3"))
  .addOption(choice("--backend <name>", "run the real models, or replay measured times", BACKENDS))
  .option("--images <dir>", "folder of photographs to send")
  .action(async (scenario: string, options) =>
    (await import("./validate.ts")).validate({ scenario, ...options }),
  );
examples(validate, [
  "tandem validate scenarios/seed-table-5.1.yaml --out out/seed",
  "judge the table",
]);

addClusterCommands(
  command("cluster", "start, show or stop the real deployment; make what lets people into it"),
  json,
);

addLoadCommand(seeded(json(command("load", "drive any endpoint with a workload").addOption(SET))));

const explain = json(
  command("explain", "say where a gap comes from: service, network, gateway, queueing, load"),
)
  .argument("<directory>", "of `tandem validate … --out`")
  .action(async (directory: string, options) =>
    (await import("./explain.ts")).explain({ directory, ...options }),
  );
examples(explain, ["tandem explain out/v", "each configuration's gap, in five parts that add up"]);

const report = command(
  "report",
  "one self-contained HTML file, and each chart as Vega-Lite JSON, SVG and PNG",
)
  .argument("<directory>", "of --out")
  .action(async (directory: string) => (await import("./report.ts")).report(directory));
examples(report, ["tandem report out/s", "writes out/s/report.html"]);

const demo = command(
  "demo",
  "the whole path on this machine: prepare, calibrate, simulate, validate, report",
)
  .option("--images <dir>", "folder of your photographs to use")
  .option("--out <dir>", "folder for results", "out/demo")
  .action(async (options) => (await import("./demo.ts")).demo(options));
examples(demo, ["tandem demo --images ~/Pictures/cars", "with your own photographs"]);

// Whoever reads the output has enough of it (`| head`): no reason to go on, nor an error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

parse(tandem, process.argv.slice(2)).catch((error: unknown) => {
  printFailure(error);
  process.exitCode = exitCodeOf(error);
});
