/** The whole of `tandem simulate` beside the whole of a SimPy program, start-up included. */
import type { ResultsDocument } from "../../core/results.ts";
import { disagreement, type Latencies } from "../agreement.ts";
import { tandemSimulate } from "../fresh-process.ts";
import { type Part, type PartResult, requestsAt } from "../part.ts";
import { PEERS } from "../peer-programs.ts";
import { BRANCH_SCENARIO, branchRequests } from "../reference-workloads.ts";
import { inTurn, shown, spreadOf } from "../spread.ts";

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
