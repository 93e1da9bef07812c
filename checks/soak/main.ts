/** `npm run soak`: a deployment under load and under faults, and what came of it. */
import { availableParallelism } from "node:os";
import yargs from "yargs";
import { FAULTS, type FaultRecord } from "./faults.ts";
import { type SoakResult, soak } from "./soak.ts";

const FAILED = 4;
const MOST_GROWTH = 0.05;

function between(least: number, most: number, otherwise: number, describe: string) {
  const coerce = (value: number): number => {
    if (value >= least && value <= most) return value;
    throw new Error(`${value} is not from ${least} to ${most}: ${describe}`);
  };
  return { type: "number", default: otherwise, describe, coerce } as const;
}

const given = await yargs(process.argv.slice(2))
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

const { seconds, rate: ratePerS, workers, seed, faults: kinds } = given;
// All started processes end with this process.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));
process.stderr.write(`${seconds} s, ${ratePerS} calls/s, ${workers} workers, seed ${seed}\n`);
const result = await soak({
  seconds,
  ratePerS,
  workers,
  seed,
  kinds,
  onEvent: (line) => void (given.verbose && process.stderr.write(`${line}\n`)),
});
const failures = failuresOf(result);
const machine = `${availableParallelism()} cores, node ${process.version}`;
const document = { schema: "tandem/soak@1", machine, ...result, failures };
process.stdout.write(given.json ? `${JSON.stringify(document)}\n` : soakText(result));
process.exitCode = failures.length === 0 ? 0 : FAILED;

function failuresOf(result: SoakResult): readonly string[] {
  const { refused, lost, answeredTwice, wrong, memory, reasons, notBack } = result;
  const growth = memory?.growthRatio ?? 0;
  const overload = "calls given up while they were refused: this machine cannot carry the load";
  const checks: readonly (readonly [fails: boolean, line: string])[] = [
    [refused > 0, `${refused} ${overload}`],
    [lost > 0, `${lost} calls lost: ${reasons.join("; ")}`],
    [answeredTwice > 0, `${answeredTwice} calls answered twice`],
    [wrong > 0, `${wrong} wrong answers`],
    [notBack.length > 0, `not up again: ${notBack.join(", ")}`],
    [growth >= MOST_GROWTH, `the gateway's memory grew by ${percent(growth)}`],
  ];
  return checks.flatMap(([fails, line]) => (fails ? [line] : []));
}

function soakText(result: SoakResult): string {
  const { memory } = result;
  const head = ["fault", "times", "unnoticed", "overtaken", "back"];
  const rows = [
    [...head, "noticed (median)", "back (median)", "(worst)"],
    ...FAULTS.flatMap((kind) => summaryRow(kind, result.faults)),
  ];
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const lines = [
    ...rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i])).join("  ")),
    "",
    `${result.calls} calls in ${result.seconds.toFixed(0)} s (${result.callsPerS.toFixed(0)}/s), ${result.triedAgain} tried again, ${result.askedAgain} asked again after their answer`,
    `latency p50 ${result.latencyP50Ms.toFixed(1)} ms, p99 ${result.latencyP99Ms.toFixed(0)} ms, worst ${result.latencyMaxMs.toFixed(0)} ms`,
    `lost ${result.lost}, answered twice ${result.answeredTwice}, wrong ${result.wrong}`,
    memory === null
      ? "memory: no gateway lived long enough to tell growth from warm-up"
      : `memory of the gateway: ${memory.beforeMib.toFixed(1)} MiB after ${memory.warmUpS.toFixed(0)} s, ${memory.afterMib.toFixed(1)} MiB at ${memory.lifeS.toFixed(0)} s: ${percent(memory.growthRatio)}`,
    ...result.skipped.map((reason) => `skipped: ${reason}`),
    failures.length === 0 ? "nothing was lost" : `FAILED: ${failures.join("; ")}`,
  ];
  return `${lines.join("\n")}\n`;
}

function summaryRow(kind: string, all: readonly FaultRecord[]): string[][] {
  const faults = all.filter((fault) => fault.kind === kind);
  if (faults.length === 0) return [];
  const ends = ["unnoticed", "overtaken", "back"].map(
    (end) => faults.filter((fault) => fault.end === end).length,
  );
  const sorted = (time: "noticedMs" | "backMs"): number[] =>
    faults.flatMap((fault) => fault[time] ?? []).sort((a, b) => a - b);
  const [noticed, back] = [sorted("noticedMs"), sorted("backMs")];
  const median = (times: readonly number[]): number | undefined =>
    times[Math.floor(times.length / 2)];
  const shown = [median(noticed), median(back), back.at(-1)].map((ms) =>
    ms === undefined ? "-" : `${(ms / 1000).toFixed(2)} s`,
  );
  return [[kind, String(faults.length), ...ends.map(String), ...shown]];
}

function percent(ratio: number): string {
  return `${ratio >= 0 ? "+" : ""}${(100 * ratio).toFixed(1)} %`;
}
