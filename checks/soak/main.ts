/** `npm run soak`: a deployment under load and under faults, and what came of it. */
import { availableParallelism } from "node:os";
import yargs from "yargs";
import { FAULTS, type FaultEnd, type FaultRecord } from "./recovery.ts";
import { type SoakOptions, type SoakResult, soak } from "./soak.ts";

const FAILED = 4;
const MOST_GROWTH = 0.05;
const ENDS: readonly FaultEnd[] = ["unnoticed", "overtaken", "back"];

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

/** One line for each thing that must not be. */
function failures(result: SoakResult): readonly string[] {
  const { refused, lost, answeredTwice, wrong, memory, reasons, notBack } = result;
  return [
    ...(refused > 0
      ? [`${refused} calls given up while they were refused: this machine cannot carry the load`]
      : []),
    ...(lost > 0 ? [`${lost} calls lost: ${reasons.join("; ")}`] : []),
    ...(answeredTwice > 0 ? [`${answeredTwice} calls answered twice`] : []),
    ...(wrong > 0 ? [`${wrong} wrong answers`] : []),
    ...(notBack.length > 0 ? [`not up again: ${notBack.join(", ")}`] : []),
    ...(memory !== null && memory.growthRatio >= MOST_GROWTH
      ? [`the gateway's memory grew by ${percent(memory.growthRatio)}`]
      : []),
  ];
}

function soakText(result: SoakResult): string {
  const { faults, memory } = result;
  const failed = failures(result);
  const lines = [
    table(
      ["at", "fault", "target", "lasts", "noticed", "back", "felt"],
      faults.map((fault) => [
        `${(fault.atMs / 1000).toFixed(1)} s`,
        fault.kind,
        fault.target,
        fault.lastsMs === 0 ? "" : seconds(fault.lastsMs),
        seconds(fault.noticedMs),
        fault.end === "back" ? seconds(fault.backMs) : fault.end,
        seconds(fault.feltMs),
      ]),
    ),
    "",
    table(
      ["fault", "times", ...ENDS, "noticed (median)", "back (median)", "(worst)", "felt (worst)"],
      FAULTS.flatMap((kind) => summaryRow(kind, faults)),
    ),
    "",
    `${result.calls} calls in ${result.seconds.toFixed(0)} s (${result.callsPerS.toFixed(0)}/s), ${result.triedAgain} tried again, ${result.askedAgain} asked again after their answer`,
    `latency p50 ${result.latencyP50Ms.toFixed(1)} ms, p99 ${result.latencyP99Ms.toFixed(0)} ms, worst ${result.latencyMaxMs.toFixed(0)} ms`,
    ...(result.refused > 0 ? [`refused until their clients gave up ${result.refused}`] : []),
    `lost ${result.lost}, answered twice ${result.answeredTwice}, wrong ${result.wrong}`,
    memory === null
      ? "memory: no gateway lived long enough to tell growth from warm-up"
      : `memory of the gateway: ${memory.beforeMib.toFixed(1)} MiB after ${memory.warmUpS.toFixed(0)} s, ${memory.afterMib.toFixed(1)} MiB at ${memory.lifeS.toFixed(0)} s: ${percent(memory.growthRatio)}`,
    `${result.gatewayLives} gateway processes`,
    ...result.skipped.map((reason) => `skipped: ${reason}`),
    failed.length === 0 ? "nothing was lost" : `FAILED: ${failed.join("; ")}`,
  ];
  return `${lines.join("\n")}\n`;
}

function summaryRow(kind: string, all: readonly FaultRecord[]): string[][] {
  const faults = all.filter((fault) => fault.kind === kind);
  if (faults.length === 0) return [];
  const known = (time: "noticedMs" | "backMs" | "feltMs"): number[] =>
    faults.flatMap((fault) => fault[time] ?? []).sort((a, b) => a - b);
  const [noticed, back, felt] = [known("noticedMs"), known("backMs"), known("feltMs")];
  const median = (values: readonly number[]): number | null =>
    values[Math.floor(values.length / 2)] ?? null;
  const times = [median(noticed), median(back), back.at(-1) ?? null, felt.at(-1) ?? null];
  const ends = ENDS.map((end) => String(faults.filter((fault) => fault.end === end).length));
  return [[kind, String(faults.length), ...ends, ...times.map(seconds)]];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i].length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => cell.padEnd(widths[i])).join("  ");
  return [head, ...rows].map((row) => line(row).trimEnd()).join("\n");
}

function seconds(ms: number | null): string {
  return ms === null ? "-" : `${(ms / 1000).toFixed(2)} s`;
}

function percent(ratio: number): string {
  return `${ratio >= 0 ? "+" : ""}${(100 * ratio).toFixed(1)} %`;
}
