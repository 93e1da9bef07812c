/** Events per second on the reference workloads beside other programs, and in pools of many replicas. */
import { measureEngine } from "../measure/fresh-process.ts";
import {
  disagreement,
  eventsPerCpuS,
  inTurn,
  type Measurement,
  type Spread,
  shown,
  spreadOf,
} from "../measure/measurement.ts";
import {
  type BenchOptions,
  type Part,
  type PartResult,
  requestsAt,
  type Target,
} from "../measure/part.ts";
import { PEERS, type Preparation } from "../measure/peer-programs.ts";
import { WORKLOADS, type WorkloadName } from "../measure/reference-workloads.ts";

const REQUESTS = 2_000_000;
const HEAD = ["workload", "program", "M events/s", "tandem / it", "mean, p50, p99 in ms"];

type Pair = readonly [ours: Measurement, theirs: Measurement];
type Ready = Preparation & { readonly kind: "ready" };

interface Competitor {
  readonly name: string;
  readonly share: number;
  readonly preparation: Ready;
}

interface Comparison {
  readonly eventsPerS: Spread;
  /** Ours by theirs, pair by pair; a string says why there is none. */
  readonly ratio: Spread | string;
}

export const peers: Part = {
  name: "peers",
  about: "events per second of processor time, in turn with each peer; ratios pair by pair",
  run(options) {
    const { competitors, skipped } = prepareAll(options);
    const results = options.workloads.map((workload) => onWorkload(workload, competitors, options));
    return {
      head: HEAD,
      rows: results.flatMap(({ rows }) => rows),
      targets: results.flatMap(({ targets }) => targets),
      skipped,
    };
  },
};

function prepareAll(options: BenchOptions): {
  readonly competitors: readonly Competitor[];
  readonly skipped: readonly string[];
} {
  const chosen = PEERS.filter(({ name }) => options.peers.includes(name));
  const competitors: Competitor[] = [];
  const skipped: string[] = [];
  for (const { name, share, prepare } of chosen) {
    const preparation = prepare(options);
    if (preparation.kind === "ready") competitors.push({ name, share, preparation });
    else skipped.push(preparation.message);
  }
  return { competitors, skipped };
}

function onWorkload(
  workload: WorkloadName,
  competitors: readonly Competitor[],
  options: BenchOptions,
): Pick<PartResult, "rows" | "targets"> {
  const requests = requestsAt(options, REQUESTS);
  const ours: Measurement[] = [];
  const comparisons = new Map<string, Comparison>();
  const rows: (readonly string[])[] = [];
  for (const { name, share, preparation } of competitors) {
    const pairs = inTurn(
      options.rounds,
      (seed) => measureEngine(workload, requests, seed),
      (seed) => preparation.measure(workload, requestsAt(options, REQUESTS * share), seed),
    );
    const comparison = compare(pairs);
    comparisons.set(name, comparison);
    ours.push(...pairs.map(([measurement]) => measurement));
    rows.push(peerRow(`${name} (${preparation.about})`, comparison, pairs));
  }
  if (ours.length === 0) {
    for (let seed = 1; seed <= options.rounds; seed++) {
      ours.push(measureEngine(workload, requests, seed));
    }
  }
  const own = spreadOf(ours.map(eventsPerCpuS));
  const first = [
    `${workload}: ${WORKLOADS[workload]}`,
    "tandem",
    inMillions(own),
    "",
    figures(ours),
  ];
  return {
    rows: [first, ...rows],
    targets: workload === "C" ? targets(own, comparisons) : [],
  };
}

/** Refuses a ratio where the two programs do not simulate the same. */
export function compare(pairs: readonly Pair[]): Comparison {
  const ours = pairs.map(([measurement]) => measurement);
  const theirs = pairs.map(([, measurement]) => measurement);
  const differ = disagreement(ours, theirs);
  return {
    eventsPerS: spreadOf(theirs.map(eventsPerCpuS)),
    ratio:
      differ === null
        ? spreadOf(pairs.map(([a, b]) => eventsPerCpuS(a) / eventsPerCpuS(b)))
        : `no ratio, results differ: ${differ}`,
  };
}

function peerRow(
  program: string,
  { eventsPerS, ratio }: Comparison,
  pairs: readonly Pair[],
): string[] {
  return [
    "",
    program,
    inMillions(eventsPerS),
    typeof ratio === "string" ? ratio : shown(ratio),
    figures(pairs.map(([, measurement]) => measurement)),
  ];
}

function inMillions({ median, least, most }: Spread): string {
  return shown({ median: median / 1e6, least: least / 1e6, most: most / 1e6 });
}

function figures(runs: readonly Measurement[]): string {
  const each = (["meanMs", "p50Ms", "p99Ms"] as const).map((metric) =>
    spreadOf(runs.map((run) => run[metric])).median.toFixed(1),
  );
  return each.join(", ");
}

/** The bounds on workload C. */
function targets(own: Spread, comparisons: ReadonlyMap<string, Comparison>): Target[] {
  const asked: [peer: string, least: number][] = [
    ["c++", 0.6],
    ["simpy", 30],
  ];
  return [
    {
      what: "C, events per second",
      asked: "at least 8 M",
      found: `${(own.median / 1e6).toFixed(2)} M`,
      met: own.median >= 8e6,
    },
    ...asked.flatMap(([peer, least]) => {
      const ratio = comparisons.get(peer)?.ratio;
      if (ratio === undefined || typeof ratio === "string") return [];
      return {
        what: `C, tandem / ${peer}`,
        asked: `at least ${least}`,
        found: ratio.median.toFixed(2),
        met: ratio.median >= least,
      };
    }),
  ];
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
      return {
        scheduler,
        few: spreadOf(pairs.map(([few]) => few)),
        many: spreadOf(pairs.map(([, many]) => many)),
        ratio: spreadOf(pairs.map(([few, many]) => many / few)),
      };
    });
    return {
      head: ["scheduler", "ns per event, 16 replicas", "4096 replicas", "ratio"],
      rows: results.map(({ scheduler, few, many, ratio }) => [
        scheduler,
        shown(few, 0),
        shown(many, 0),
        shown(ratio),
      ]),
      targets: results.map(({ scheduler, ratio }) => ({
        what: `${scheduler}, cost per event at 4096 replicas by that at 16`,
        asked: `at most ${MOST}`,
        found: ratio.median.toFixed(2),
        met: ratio.median <= MOST,
      })),
      skipped: [],
    };
  },
};
