/**
 * How fast the simulator is, part by part, with what is asked of it. Start reading at `part.ts`,
 * then `parts/`. The command fails only if something could not be measured.
 *
 *   npm run bench -- [--only PART…] [--workload A…] [--peer NAME…] [--quick] [--json]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import type { BenchOptions, Part, PartResult } from "./part.ts";
import { memory } from "./parts/memory.ts";
import { peers } from "./parts/peers.ts";
import { replicas } from "./parts/replicas.ts";
import { start } from "./parts/start.ts";
import { sweep } from "./parts/sweep.ts";
import { wholeProcess } from "./parts/whole-process.ts";
import { PEERS } from "./peer-programs.ts";
import { WORKLOAD_NAMES, type WorkloadName } from "./reference-workloads.ts";
import { partText } from "./text.ts";

const PARTS: readonly Part[] = [peers, replicas, memory, start, wholeProcess, sweep];

interface Given {
  readonly only?: readonly string[];
  readonly workload?: readonly WorkloadName[];
  readonly peer?: readonly string[];
  readonly quick: boolean;
  readonly scale?: number;
  readonly rounds?: number;
  readonly python: string;
  readonly modules: string;
  readonly json: boolean;
}

/** A number of at least `least`, where `strictly`: above it. */
function atLeast(least: number, strictly: boolean): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (strictly ? value > least : value >= least) return value;
    throw new InvalidArgumentError(`It must be ${strictly ? "above" : "at least"} ${least}.`);
  };
}

const several = (flags: string, about: string, choices: readonly string[]): Option =>
  new Option(flags, about).choices(choices);

const given = new Command("npm run bench --")
  .description("Measures speed, part by part, beside peers.")
  .addOption(
    several(
      "--only <part...>",
      "parts to measure; all if not given",
      PARTS.map(({ name }) => name),
    ),
  )
  .addOption(several("--workload <name...>", "of the part peers", WORKLOAD_NAMES))
  .addOption(
    several(
      "--peer <name...>",
      "peers to compare with; all that are installed if not given",
      PEERS.map(({ name }) => name),
    ),
  )
  .option("--quick", "--scale 0.1 --rounds 3", false)
  .option("--scale <factor>", "multiplies every number of requests", atLeast(0, true))
  .option("--rounds <n>", "how often each program runs; at least 2", atLeast(2, false))
  .option("--python <path>", "the Python that has SimPy and Ciw", "python3")
  .option("--modules <dir>", "the folder below which npm installed SimJS", ".")
  .option("--json", "one JSON document on stdout", false)
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .parse()
  .opts<Given>();

const scratch = mkdtempSync(join(tmpdir(), "tandem-bench-"));
const options: BenchOptions = {
  scale: given.scale ?? (given.quick ? 0.1 : 1),
  rounds: given.rounds ?? (given.quick ? 3 : 5),
  workloads: given.workload ?? WORKLOAD_NAMES,
  peers: given.peer ?? PEERS.map(({ name }) => name),
  python: given.python,
  modules: resolve(given.modules),
  scratch,
};
const machine = `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, node ${process.version}`;
const load = (): string => loadavg()[0].toFixed(1);

try {
  if (!given.json) process.stdout.write(`${machine}, load ${load()}\n`);
  const results: (PartResult & { readonly part: string })[] = [];
  for (const part of PARTS.filter(({ name }) => given.only?.includes(name) ?? true)) {
    const result = part.run(options);
    results.push({ part: part.name, ...result });
    if (!given.json) process.stdout.write(partText(part, result, options.scale));
  }
  const { scale, rounds } = options;
  const document = { schema: "tandem/bench@2", machine, load: load(), scale, rounds, results };
  if (given.json) process.stdout.write(`${JSON.stringify(document)}\n`);
} finally {
  rmSync(scratch, { recursive: true });
}
