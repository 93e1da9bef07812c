/**
 * Whole processes of `tandem simulate`, start-up included: beside SimPy, of a short run, and by peak
 * memory.
 */
import type { ResultsDocument } from "../../core/results.ts";
import { runToEnd, tandemSimulate } from "../measure/fresh-process.ts";
import { disagreement, inTurn, type Latencies, shown, spreadOf } from "../measure/measurement.ts";
import { type Part, type PartResult, requestsAt } from "../measure/part.ts";
import { PEERS } from "../measure/peer-programs.ts";
import { BRANCH_SCENARIO, branchRequests } from "../measure/reference-workloads.ts";

const REQUESTS = 300_000;
const LEAST = 10;
const HEAD = ["requests", "tandem, s", "SimPy, s", "SimPy / tandem"];

interface Whole extends Latencies {
  /** From the command to the prompt, by the clock on the wall. */
  readonly seconds: number;
}

export const wholeProcess: Part = {
  name: "whole-process",
  about: "whole processes on workload C, one replication, in turn, by the clock",
  run(options) {
    const simpy = PEERS.find(({ name }) => name === "simpy");
    const preparation = simpy!.prepare(options);
    if (preparation.kind === "skipped") {
      return { head: HEAD, rows: [], targets: [], skipped: [preparation.message] };
    }
    const requests = requestsAt(options, REQUESTS);
    const pairs = inTurn(
      options.rounds,
      (seed) => tandemWhole(requests, seed, options.scratch),
      (seed) => {
        const from = performance.now();
        const measured = preparation.measure("C", requests, seed);
        return { ...measured, seconds: (performance.now() - from) / 1000 };
      },
    );
    return compareWhole(requests, pairs);
  },
};

function tandemWhole(requests: number, seed: number, folder: string): Whole {
  const given = [BRANCH_SCENARIO, "--replications", "1", "--seed", String(seed), "--json"];
  const { seconds, stdout } = tandemSimulate([...given, "--set", branchRequests(requests)], folder);
  const { metrics } = (JSON.parse(stdout) as ResultsDocument).configurations[0];
  return {
    seconds,
    meanMs: metrics.latencyMeanMs!.mean,
    p50Ms: metrics.latencyP50Ms!.mean,
    p99Ms: metrics.latencyP99Ms!.mean,
  };
}

function compareWhole(requests: number, pairs: readonly (readonly [Whole, Whole])[]): PartResult {
  const ours = pairs.map(([whole]) => whole);
  const theirs = pairs.map(([, whole]) => whole);
  const differ = disagreement(ours, theirs);
  const ratio = spreadOf(pairs.map(([a, b]) => b.seconds / a.seconds));
  const row = [
    requests.toLocaleString("en"),
    shown(spreadOf(ours.map(({ seconds }) => seconds))),
    shown(spreadOf(theirs.map(({ seconds }) => seconds))),
    differ === null ? shown(ratio, 1) : `no ratio, results differ: ${differ}`,
  ];
  const target = {
    what: `whole process at ${requests.toLocaleString("en")} requests, SimPy / tandem`,
    asked: `at least ${LEAST}`,
    found: ratio.median.toFixed(1),
    met: ratio.median >= LEAST,
  };
  return { head: HEAD, rows: [row], targets: differ === null ? [target] : [], skipped: [] };
}

const SHORT_REQUESTS = 10_000;
const MOST_MS = 250;

export const start: Part = {
  name: "start",
  about: "whole process of `tandem simulate --json` on workload C, one replication, and node alone",
  run(options) {
    const requests = requestsAt(options, SHORT_REQUESTS);
    const given = [BRANCH_SCENARIO, "--replications", "1", "--json"];
    const command = [...given, "--set", branchRequests(requests)];
    const pairs = inTurn(
      2 * options.rounds,
      () => tandemSimulate(command, options.scratch).seconds * 1000,
      () => runToEnd({ program: process.execPath, arguments: ["-e", "0"] }).seconds * 1000,
    );
    const spread = spreadOf(pairs.map(([ms]) => ms));
    const alone = spreadOf(pairs.map(([, ms]) => ms));
    const ratio = spreadOf(pairs.map(([ms, bare]) => ms / bare));
    return {
      head: ["requests", "milliseconds by the clock", "node alone", "ratio"],
      rows: [[requests.toLocaleString("en"), shown(spread, 0), shown(alone, 0), shown(ratio, 1)]],
      targets: [
        {
          what: `whole process at ${requests.toLocaleString("en")} requests`,
          asked: `at most ${MOST_MS} ms`,
          found: `${spread.median.toFixed(0)} ms`,
          met: spread.median <= MOST_MS,
        },
      ],
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
      const given = [BRANCH_SCENARIO, "--replications", "1", "--json"];
      const { side, seconds } = tandemSimulate(
        [...given, "--set", branchRequests(requests)],
        options.scratch,
        ["--import", reporter],
      );
      return { requests, mib: Number(side), seconds };
    });
    const last = results[results.length - 1];
    return {
      head: ["requests", "peak memory, MiB", "seconds"],
      rows: results.map(({ requests, mib, seconds }) => [
        requests.toLocaleString("en"),
        mib.toFixed(0),
        seconds.toFixed(2),
      ]),
      targets: [
        {
          what: `peak memory at ${last.requests.toLocaleString("en")} requests`,
          asked: `at most ${MOST_MIB} MiB`,
          found: `${last.mib.toFixed(0)} MiB`,
          met: last.mib <= MOST_MIB,
        },
      ],
      skipped: [],
    };
  },
};
