/**
 * Events per second, single-threaded, for the reference workloads, and as a ratio to the naive
 * engine. Simulator and peer run in turn, each time in a fresh process; the ratio is taken pair by
 * pair and in processor time, so that what else the machine does moves it less.
 *
 *   npm run bench -- [--json] [--quick]
 */
import { spawnSync } from "node:child_process";
import { availableParallelism, cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { runReplication } from "../sim/replication.ts";
import { runNaive } from "./naive-engine.ts";
import { WORKLOADS, type WorkloadName, workloadDocument } from "./reference-workloads.ts";

const ENGINES = ["tandem", "naive"] as const;
type Engine = (typeof ENGINES)[number];

interface Measurement {
  /** By the clock on the wall. */
  readonly eventsPerS: number;
  /** By the processor time of all the process's threads, collection of garbage included. */
  readonly eventsPerCpuS: number;
  readonly latencyMeanMs: number;
}

interface Row {
  readonly workload: WorkloadName;
  readonly eventsPerS: Readonly<Record<Engine, number>>;
  /** Median over pairs of runs of simulator / naive engine. */
  readonly ratio: number;
  readonly ratioLeast: number;
  readonly ratioMost: number;
  readonly latencyMeanMs: Readonly<Record<Engine, number>>;
}

const options = process.argv.slice(2);
const measured = options.indexOf("--measure");
if (measured >= 0) {
  const [workload, engine, requests] = options.slice(measured + 1);
  const result = measure(workload as WorkloadName, engine as Engine, Number(requests));
  process.stdout.write(JSON.stringify(result));
} else {
  const quick = options.includes("--quick");
  const machine = machineLine();
  const rows = (Object.keys(WORKLOADS) as WorkloadName[]).map((workload) =>
    compare(workload, quick ? 200_000 : 2_000_000, quick ? 3 : 7),
  );
  const load = loadavg().map((value) => value.toFixed(1));
  const text = options.includes("--json")
    ? JSON.stringify({ schema: "tandem/bench@1", machine, load, rows })
    : [machine, `load while it ran ${load[0]}`, "", ...table(rows)].join("\n");
  process.stdout.write(`${text}\n`);
}

/** What a fresh process does: some runs to warm up, then the one that counts. */
function measure(workload: WorkloadName, engine: Engine, requests: number): Measurement {
  const run = (count: number): { events: number; latencyMeanMs: number } => {
    if (engine === "naive") return runNaive(workload, count);
    const document = workloadDocument(workload, count);
    const { events, summary } = runReplication(document, { profiles: {}, traces: {} }, 0);
    return { events, latencyMeanMs: summary.metrics.latencyMeanMs ?? Number.NaN };
  };
  run(requests / 20);
  const cpuFrom = process.cpuUsage();
  const from = process.hrtime.bigint();
  const { events, latencyMeanMs } = run(requests);
  const seconds = Number(process.hrtime.bigint() - from) / 1e9;
  const { user, system } = process.cpuUsage(cpuFrom);
  const eventsPerCpuS = events / ((user + system) / 1e6);
  return { eventsPerS: events / seconds, eventsPerCpuS, latencyMeanMs };
}

function compare(workload: WorkloadName, requests: number, pairs: number): Row {
  const runs = Array.from({ length: pairs }, () => ({
    tandem: inFreshProcess(workload, "tandem", requests),
    naive: inFreshProcess(workload, "naive", requests),
  }));
  const ratios = runs.map(({ tandem, naive }) => tandem.eventsPerCpuS / naive.eventsPerCpuS);
  const each = (field: keyof Measurement): Record<Engine, number> => ({
    tandem: median(runs.map(({ tandem }) => tandem[field])),
    naive: median(runs.map(({ naive }) => naive[field])),
  });
  return {
    workload,
    eventsPerS: each("eventsPerS"),
    ratio: median(ratios),
    ratioLeast: Math.min(...ratios),
    ratioMost: Math.max(...ratios),
    latencyMeanMs: each("latencyMeanMs"),
  };
}

function inFreshProcess(workload: WorkloadName, engine: Engine, requests: number): Measurement {
  const self = fileURLToPath(import.meta.url);
  const child = spawnSync(
    process.execPath,
    [self, "--measure", workload, engine, String(requests)],
    { encoding: "utf8" },
  );
  if (child.status !== 0) throw new Error(`${engine} on ${workload} failed: ${child.stderr}`);
  return JSON.parse(child.stdout) as Measurement;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1];
}

function machineLine(): string {
  const model = cpus()[0]?.model.trim() ?? "unknown processor";
  return `${model}, ${availableParallelism()} cores, node ${process.version}`;
}

function table(rows: readonly Row[]): string[] {
  const millions = (value: number): string => (value / 1e6).toFixed(2);
  const lines = rows.map(
    ({ workload, eventsPerS, ratio, ratioLeast, ratioMost, latencyMeanMs }) => [
      `${workload}: ${WORKLOADS[workload]}`,
      millions(eventsPerS.tandem),
      millions(eventsPerS.naive),
      `${ratio.toFixed(2)} (${ratioLeast.toFixed(2)} to ${ratioMost.toFixed(2)})`,
      `${latencyMeanMs.tandem.toFixed(2)} / ${latencyMeanMs.naive.toFixed(2)}`,
    ],
  );
  const head = ["workload", "M events/s", "naive", "ratio", "mean latency, ms"];
  const body = [head, head.map(() => "---"), ...lines];
  return body.map((cells) => `| ${cells.join(" | ")} |`);
}
