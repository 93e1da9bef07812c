/**
 * How fast the simulator is, part by part, with what is asked of it. Start reading at `measure/part.ts`,
 * then `parts/`. The command fails only if something could not be measured.
 *
 *   npm run bench -- [--only PART…] [--workload A…] [--peer NAME…] [--quick] [--json]
 */

import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import yargs from "yargs";
import { type BenchOptions, type Part, type PartResult, partText } from "./measure/part.ts";
import { PEERS, WORKLOAD_NAMES } from "./measure/programs.ts";
import { peers, replicas } from "./parts/peers.ts";
import { sweep } from "./parts/sweep.ts";
import { memory, start, wholeProcess } from "./parts/whole-process.ts";

const PARTS: readonly Part[] = [peers, replicas, memory, start, wholeProcess, sweep];

const several = <Word extends string>(describe: string, choices: readonly Word[]) =>
  ({ array: true, choices, describe }) as const;

const given = await yargs(process.argv.slice(2))
  .scriptName("npm run bench --")
  .usage("$0 [options]\n\nMeasures speed, part by part, beside peers.")
  .options({
    only: several(
      "parts to measure; all if not given",
      PARTS.map(({ name }) => name),
    ),
    workload: several("of the part peers", WORKLOAD_NAMES),
    peer: several(
      "peers to compare with; all that are installed if not given",
      PEERS.map(({ name }) => name),
    ),
    quick: { type: "boolean", default: false, describe: "--scale 0.1 --rounds 3" },
    scale: { type: "number", describe: "multiplies every number of requests; above 0" },
    rounds: { type: "number", describe: "how often each program runs; at least 2" },
    python: { type: "string", default: "python3", describe: "the Python that has SimPy" },
    json: { type: "boolean", default: false, describe: "one JSON document on stdout" },
  })
  .check(({ scale = 1, rounds = 2 }) => (scale > 0 && rounds >= 2) || "see --scale and --rounds")
  .strict()
  .fail((message, error) => {
    process.stderr.write(`${message ?? error.message}\n`);
    process.exit(2);
  })
  .parseAsync();

const scratch = mkdtempSync(join(tmpdir(), "tandem-bench-"));
const options: BenchOptions = {
  scale: given.scale ?? (given.quick ? 0.1 : 1),
  rounds: given.rounds ?? (given.quick ? 3 : 5),
  workloads: given.workload ?? WORKLOAD_NAMES,
  peers: given.peer ?? PEERS.map(({ name }) => name),
  python: given.python,
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
