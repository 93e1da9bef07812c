/** Events per second on the reference workloads beside other programs, and in pools of many replicas. */
import {
  type BenchOptions,
  disagreement,
  eventsPerCpuS,
  inTurn,
  type Part,
  type PartResult,
  requestsAt,
  type Spread,
  shown,
  spreadOf,
  target,
} from "../measure/part.ts";
import {
  LATENCIES,
  type Measurement,
  measureEngine,
  PEERS,
  WORKLOADS,
  type WorkloadName,
} from "../measure/programs.ts";

const REQUESTS = 2_000_000;
/** Bounds on workload C: events per second, in millions, and by those of each peer. */
const LEAST_MILLIONS = 8;
const LEAST_BY_PEER: Readonly<Record<string, number>> = { "c++": 0.6, simpy: 30 };

type Pair = readonly [ours: Measurement, theirs: Measurement];
type Prepared = Exclude<ReturnType<(typeof PEERS)[number]["prepare"]>, string>;
type Competitor = Omit<(typeof PEERS)[number], "prepare"> & Prepared;

export const peers: Part = {
  name: "peers",
  about: "events per second of processor time, in turn with each peer; ratios pair by pair",
  run(options) {
    const competitors: Competitor[] = [];
    const skipped: string[] = [];
    for (const { name, share, prepare } of PEERS) {
      if (!options.peers.includes(name)) continue;
      const prepared = prepare(options);
      if (typeof prepared === "string") skipped.push(prepared);
      else competitors.push({ name, share, ...prepared });
    }
    const results = options.workloads.map((workload) => onWorkload(workload, competitors, options));
    return {
      head: ["workload", "program", "M events/s", "tandem / it", "mean, p50, p99 in ms"],
      rows: results.flatMap(({ rows }) => rows),
      targets: results.flatMap(({ targets }) => targets),
      skipped,
    };
  },
};

function onWorkload(
  workload: WorkloadName,
  competitors: readonly Competitor[],
  options: BenchOptions,
): Pick<PartResult, "rows" | "targets"> {
  const requests = requestsAt(options, REQUESTS);
  const own = (seed: number): Measurement => measureEngine(workload, requests, seed);
  const compared = competitors.map(({ name, about, share, measure }) => {
    const fewer = requestsAt(options, REQUESTS * share);
    const pairs = inTurn(options.rounds, own, (seed) => measure(workload, fewer, seed));
    return { name, about, pairs, ratio: compare(pairs) };
  });
  const ours =
    compared.length > 0
      ? compared.flatMap(({ pairs }) => pairs.map(([measurement]) => measurement))
      : Array.from({ length: options.rounds }, (_, round) => own(round + 1));
  const rows = [
    [`${workload}: ${WORKLOADS[workload]}`, "tandem", rate(ours), "", figures(ours)],
    ...compared.map(({ name, about, pairs, ratio }) => {
      const theirs = pairs.map(([, measurement]) => measurement);
      const compares = typeof ratio === "string" ? ratio : shown(ratio);
      return ["", `${name} (${about})`, rate(theirs), compares, figures(theirs)];
    }),
  ];
  if (workload !== "C") return { rows, targets: [] };
  const targets = [
    target("C, events per second", millions(ours).median, { least: LEAST_MILLIONS }, 2, " M"),
    ...compared.flatMap(({ name, ratio }) => {
      if (typeof ratio === "string") return [];
      return target(`C, tandem / ${name}`, ratio.median, { least: LEAST_BY_PEER[name] }, 2);
    }),
  ];
  return { rows, targets };
}

/** Events per second, ours by theirs, pair by pair; a text where the two do not simulate the same. */
export function compare(pairs: readonly Pair[]): Spread | string {
  const differ = disagreement(
    pairs.map(([ours]) => ours),
    pairs.map(([, theirs]) => theirs),
  );
  return differ === null
    ? spreadOf(pairs.map(([ours, theirs]) => eventsPerCpuS(ours) / eventsPerCpuS(theirs)))
    : `no ratio, results differ: ${differ}`;
}

const millions = (runs: readonly Measurement[]): Spread =>
  spreadOf(runs.map((run) => eventsPerCpuS(run) / 1e6));
const rate = (runs: readonly Measurement[]): string => shown(millions(runs));

function figures(runs: readonly Measurement[]): string {
  return LATENCIES.map((name) => spreadOf(runs.map((run) => run[name])).median.toFixed(1)).join(
    ", ",
  );
}

const SCHEDULERS = ["fifo", "join-shortest-queue", "power-of-two"];
const MOST = 1.5;

const nanoseconds = ({ events, cpuSeconds }: Measurement): number => (cpuSeconds / events) * 1e9;

export const replicas: Part = {
  name: "replicas",
  about:
    "processor time per event at 4096 replicas and at 16, in turn; exponential service, load 0.9",
  run(options) {
    const requests = requestsAt(options, REQUESTS);
    const results = SCHEDULERS.map((scheduler) => {
      const pairs = inTurn(
        options.rounds,
        (seed) => nanoseconds(measureEngine(`${scheduler}@16`, requests, seed)),
        (seed) => nanoseconds(measureEngine(`${scheduler}@4096`, requests, seed)),
      );
      const ratio = spreadOf(pairs.map(([few, many]) => many / few));
      const [few, many] = [0, 1].map((side) => shown(spreadOf(pairs.map((pair) => pair[side])), 0));
      const what = `${scheduler}, cost per event at 4096 replicas by that at 16`;
      return {
        row: [scheduler, few, many, shown(ratio)],
        target: target(what, ratio.median, { most: MOST }, 2),
      };
    });
    return {
      head: ["scheduler", "ns per event, 16 replicas", "4096 replicas", "ratio"],
      rows: results.map(({ row }) => row),
      targets: results.map((result) => result.target),
      skipped: [],
    };
  },
};
