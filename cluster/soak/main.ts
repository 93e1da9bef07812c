/** `npm run soak`: a deployment under load and under faults, and what came of it. */
import { availableParallelism } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { FAULTS, type FaultKind } from "./faults.ts";
import { type SoakOptions, soak } from "./soak.ts";
import { failures, soakText } from "./text.ts";

interface Given {
  readonly seconds: number;
  readonly rate: number;
  readonly workers: number;
  readonly seed: string;
  readonly faults: readonly FaultKind[];
  readonly verbose: boolean;
  readonly json: boolean;
}

const FAILED = 4;

function between(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be from ${least} to ${most}.`);
  };
}

const given = new Command("npm run soak --")
  .description(
    "Serves calls while something happens to a process every second. Exit code 4 when\na call was lost, answered twice or wrongly, or the gateway's memory grew by 5 % or more.",
  )
  .option("--seconds <n>", "how long", between(5, 86_400), 600)
  .option("--rate <n>", "calls a second", between(1, 5000), 200)
  .option("--workers <n>", "worker processes, a replica each", between(2, 60), 8)
  .option("--seed <text>", "of what happens to whom, and of the calls", "1")
  .addOption(new Option("--faults <kind...>", "what may happen").choices(FAULTS).default(FAULTS))
  .option("--verbose", "every process's start and end, on stderr", false)
  .option("--json", "one JSON document on stdout", false)
  .addHelpText(
    "after",
    "\nExamples:\n  npm run soak\n  npm run soak -- --seconds 60 --faults kill stop restart\n  npm run soak -- --json > soak.json",
  )
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .parse()
  .opts<Given>();

const options: SoakOptions = {
  seconds: given.seconds,
  ratePerS: given.rate,
  workers: given.workers,
  seed: given.seed,
  kinds: given.faults,
  ...(given.verbose ? { onEvent: (line: string) => void process.stderr.write(`${line}\n`) } : {}),
};
// What was started ends with this process, however it ends.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));
process.stderr.write(
  `${options.seconds} s, ${options.ratePerS} calls/s, ${options.workers} workers, seed ${options.seed}\n`,
);
const result = await soak(options);
const failed = failures(result);
if (given.json) {
  const machine = `${availableParallelism()} cores, node ${process.version}`;
  const document = { schema: "tandem/soak@1", machine, ...result, failures: failed };
  process.stdout.write(`${JSON.stringify(document)}\n`);
} else {
  process.stdout.write(soakText(result));
}
process.exitCode = failed.length === 0 ? 0 : FAILED;
