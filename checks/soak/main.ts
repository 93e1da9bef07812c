/** `npm run soak`: a deployment under load and under faults, and what came of it. */
import { availableParallelism } from "node:os";
import yargs from "yargs";
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

function between(least: number, most: number, otherwise: number, describe: string) {
  const coerce = (value: number): number => {
    if (value >= least && value <= most) return value;
    throw new Error(`${value} is not from ${least} to ${most}: ${describe}`);
  };
  return { type: "number", default: otherwise, describe, coerce } as const;
}

const given: Given = await yargs(process.argv.slice(2))
  .scriptName("npm run soak --")
  .usage(
    "$0 [options]\n\nServes calls while something happens to a process every second. Exit code 4 when a " +
      "call was lost, answered twice or wrongly, or the gateway's memory grew by 5 % or more.",
  )
  .options({
    seconds: between(5, 86_400, 600, "how long, s"),
    rate: between(1, 5000, 200, "calls a second"),
    workers: between(2, 60, 8, "worker processes, a replica each"),
    seed: { type: "string", default: "1", describe: "of what happens to whom, and of the calls" },
    faults: { array: true, choices: FAULTS, default: FAULTS, describe: "what may happen" },
    verbose: {
      type: "boolean",
      default: false,
      describe: "every process's start and end, on stderr",
    },
    json: { type: "boolean", default: false, describe: "one JSON document on stdout" },
  })
  .example("$0", "ten minutes")
  .example("$0 --seconds 60 --faults kill stop restart", "a minute, of these faults")
  .example("$0 --json > soak.json", "for a program to read")
  .strict()
  .parseAsync();

const options: SoakOptions = {
  seconds: given.seconds,
  ratePerS: given.rate,
  workers: given.workers,
  seed: given.seed,
  kinds: given.faults,
  ...(given.verbose ? { onEvent: (line: string) => void process.stderr.write(`${line}\n`) } : {}),
};
// All started processes end with this process.
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
