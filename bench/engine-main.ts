/**
 * A simulation in a process of its own through the public path: a scenario document into
 * `runReplication`. A run of a twentieth goes first, so that the compiler has seen the code.
 *
 *   node engine-main.js WORKLOAD REQUESTS SEED      prints one `Measurement`
 */
import { runReplication } from "../sim/replication.ts";
import { prepareCompiler } from "../sweep/configuration-work.ts";
import type { Measurement } from "./measure/programs.ts";
import { workloadDocument } from "./measure/programs.ts";

/** Events of a request on any of the workloads. */
const EVENTS_EACH = 2;

type Result = Omit<Measurement, "seconds" | "cpuSeconds">;

/**
 * A share of the run is the same scenario, broken off: what it asks of the compiler goes by its
 * length.
 */
function runTandem(workload: string, requests: number, seed: number, share: number): Result {
  const document = workloadDocument(workload, requests, seed);
  const options = share < 1 ? { maxEvents: Math.ceil(requests * EVENTS_EACH * share) } : {};
  prepareCompiler(document.workload);
  const { events, summary } = runReplication(document, { profiles: {}, traces: {} }, 0, options);
  const { latencyMeanMs, latencyP50Ms, latencyP99Ms } = summary.metrics;
  return {
    events,
    meanMs: latencyMeanMs ?? Number.NaN,
    p50Ms: latencyP50Ms ?? Number.NaN,
    p99Ms: latencyP99Ms ?? Number.NaN,
  };
}

const [workload, requests, seed] = process.argv.slice(2);
const run = (share: number): Result => runTandem(workload, Number(requests), Number(seed), share);

run(1 / 20);
const cpuFrom = process.cpuUsage();
const from = performance.now();
const result = run(1);
const seconds = (performance.now() - from) / 1000;
const { user, system } = process.cpuUsage(cpuFrom);
const measurement: Measurement = { ...result, seconds, cpuSeconds: (user + system) / 1e6 };
process.stdout.write(`${JSON.stringify(measurement)}\n`);
