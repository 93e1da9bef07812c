/**
 * Whole processes of `tandem simulate`, start-up included: beside SimPy, of a short run, and by peak
 * memory.
 */
import type { ResultsDocument } from "../../results/documents.ts";
import {
  disagreement,
  inTurn,
  type Latencies,
  type Part,
  type PartResult,
  requestsAt,
  shown,
  spreadOf,
  target,
} from "../measure/part.ts";
import { branchArguments, PEERS, runToEnd, tandemSimulate } from "../measure/programs.ts";

const REQUESTS = 300_000;
const LEAST = 10;

interface Whole extends Latencies {
  /** From the command to the prompt, by the clock on the wall. */
  readonly seconds: number;
}

const inWords = (requests: number): string => requests.toLocaleString("en");

export const wholeProcess: Part = {
  name: "whole-process",
  about: "whole processes on workload C, one replication, in turn, by the clock",
  run(options) {
    const head = ["requests", "tandem, s", "SimPy, s", "SimPy / tandem"];
    const simpy = PEERS.find(({ name }) => name === "simpy")!.prepare(options);
    if (typeof simpy === "string") return { head, rows: [], targets: [], skipped: [simpy] };
    const requests = requestsAt(options, REQUESTS);
    const pairs = inTurn(
      options.rounds,
      (seed) => tandemWhole(requests, seed, options.scratch),
      (seed) => {
        const from = performance.now();
        const measured = simpy.measure("C", requests, seed);
        return { ...measured, seconds: (performance.now() - from) / 1000 };
      },
    );
    return { head, ...compareWhole(requests, pairs), skipped: [] };
  },
};

function tandemWhole(requests: number, seed: number, folder: string): Whole {
  const command = tandemSimulate(branchArguments(requests, "--seed", String(seed)));
  const { seconds, stdout } = runToEnd(command, folder);
  const { metrics } = (JSON.parse(stdout) as ResultsDocument).configurations[0];
  return {
    seconds,
    meanMs: metrics.latencyMeanMs!.mean,
    p50Ms: metrics.latencyP50Ms!.mean,
    p99Ms: metrics.latencyP99Ms!.mean,
  };
}

function compareWhole(
  requests: number,
  pairs: readonly (readonly [Whole, Whole])[],
): Pick<PartResult, "rows" | "targets"> {
  const ours = pairs.map(([whole]) => whole);
  const theirs = pairs.map(([, whole]) => whole);
  const differ = disagreement(ours, theirs);
  const ratio = spreadOf(pairs.map(([a, b]) => b.seconds / a.seconds));
  const row = [
    inWords(requests),
    ...[ours, theirs].map((runs) => shown(spreadOf(runs.map(({ seconds }) => seconds)))),
    differ === null ? shown(ratio, 1) : `no ratio, results differ: ${differ}`,
  ];
  const what = `whole process at ${inWords(requests)} requests, SimPy / tandem`;
  const targets = differ === null ? [target(what, ratio.median, { least: LEAST }, 1)] : [];
  return { rows: [row], targets };
}

const SHORT_REQUESTS = 10_000;
const MOST_MS = 250;

export const start: Part = {
  name: "start",
  about: "whole process of `tandem simulate --json` on workload C, one replication, and node alone",
  run(options) {
    const requests = requestsAt(options, SHORT_REQUESTS);
    const command = tandemSimulate(branchArguments(requests));
    const pairs = inTurn(
      2 * options.rounds,
      () => runToEnd(command, options.scratch).seconds * 1000,
      () => runToEnd([process.execPath, "-e", "0"]).seconds * 1000,
    );
    const whole = spreadOf(pairs.map(([ms]) => ms));
    const alone = spreadOf(pairs.map(([, ms]) => ms));
    const ratio = spreadOf(pairs.map(([ms, bare]) => ms / bare));
    const what = `whole process at ${inWords(requests)} requests`;
    return {
      head: ["requests", "milliseconds by the clock", "node alone", "ratio"],
      rows: [[inWords(requests), shown(whole, 0), shown(alone, 0), shown(ratio, 1)]],
      targets: [target(what, whole.median, { most: MOST_MS }, 0, " ms")],
      skipped: [],
    };
  },
};

const MEMORY_REQUESTS = [100_000, 1_000_000, 10_000_000];
const MOST_MIB = 200;

export const memory: Part = {
  name: "memory",
  about: "peak resident set of `tandem simulate` on workload C, one replication, a process each",
  run(options) {
    const reporter = new URL("../usage-report.js", import.meta.url).href;
    const results = MEMORY_REQUESTS.map((full) => {
      const requests = requestsAt(options, full);
      const command = tandemSimulate(branchArguments(requests), ["--import", reporter]);
      const { side, seconds } = runToEnd(command, options.scratch);
      return { requests, mib: Number(side), seconds };
    });
    const { requests: most, mib: mostMib } = results[results.length - 1];
    const what = `peak memory at ${inWords(most)} requests`;
    return {
      head: ["requests", "peak memory, MiB", "seconds"],
      rows: results.map(({ requests, mib, seconds }) => [
        ...[inWords(requests), mib.toFixed(0), seconds.toFixed(2)],
      ]),
      targets: [target(what, mostMib, { most: MOST_MIB }, 0, " MiB")],
      skipped: [],
    };
  },
};
