/**
 * Where the gap between a predicted and a measured mean latency comes from. The prediction is made
 * again with one kind of measured cost after the other in place of the predicted one; what each
 * step moves is that cost's part, its effect on queues included:
 *
 *   predicted ─ service ─> ─ network ─> ─ gateway ─> ─ queueing ─> measured, had all been sent in time
 *                                                                  ─ load generator ─> measured
 *
 * The parts add up to the gap, run by run. Service times come from the run logs; a validation writes the other evidence.
 */
import { givenWarmupS } from "../engine/arrivals/arrival-source.ts";
import { RunLog } from "../engine/dispatch/run-log.ts";
import type { RunSummary } from "../engine/metrics/summary.ts";
import { estimate, meanOf } from "../engine/statistics/estimate.ts";
import type { System } from "../engine/system/system.ts";
import { type RelativeError, relativeError } from "../results/equivalence.ts";
import type { RunEstimate, Verdict } from "../results/validation.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import type { Configuration } from "../scenario/expand-sweep.ts";
import type { OverheadProfile } from "../scenario/schema/profile.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import { type Judgement, LEAST_RUNS, signedPercent } from "./judge.ts";
import type { MessageCosts } from "./paced-messages.ts";
import { type PredictionPlan, predict } from "./predict.ts";

export const EVIDENCE_FILE = "evidence.json";

/** Where a run's log lies in a validation's folder; both count from 0. */
export function logFile(configuration: number, run: number): string {
  return `logs/${configuration + 1}-${run + 1}.jsonl`;
}

/** Times in ms are the scenario's; those in µs are the wall clock's. */
export interface RunEvidence extends MessageCosts {
  readonly replication: number;
  readonly latencyMeanMs: number;
  readonly latenessMeanMs: number;
  readonly queueWaitMeanMs: number;
  /** By pool, the host's pace over that of calibration, which is in the prediction; none where it is not known. */
  readonly pace?: Readonly<Record<string, number>>;
}

export interface ConfigurationEvidence extends Configuration {
  readonly backend: PredictionPlan["backend"];
  readonly timeScale: number;
  readonly runs: readonly RunEvidence[];
  /** Absent in evidence of earlier versions. */
  readonly judgement?: Judgement;
  /** Message costs at its own size, in place of those of the document's inputs. */
  readonly overheadProfile?: OverheadProfile | undefined;
}

export interface EvidenceDocument {
  readonly schema: "tandem/evidence@1";
  readonly inputs: SimulationInputs;
  readonly configurations: readonly ConfigurationEvidence[];
}

export const PARTS = ["service", "network", "gateway", "queueing", "load generator"] as const;
type Part = (typeof PARTS)[number];

interface Figure {
  readonly what: string;
  readonly unit: "ms" | "µs";
  readonly predicted: RunEstimate;
  readonly measured: RunEstimate;
}

export interface Explanation {
  readonly id: string;
  readonly parameters: ConfigurationEvidence["parameters"];
  readonly runs: number;
  /** Mean latencies, and predicted − measured: the sum of the parts. */
  readonly predictedMs: RunEstimate;
  readonly measuredMs: RunEstimate;
  readonly gapMs: RunEstimate;
  readonly parts: Readonly<Record<Part, RunEstimate>>;
  readonly figures: readonly (Figure & { readonly part: Part })[];
  /** The validation's verdict; absent in evidence of earlier versions. */
  readonly verdict?: Verdict;
  readonly sentence: string;
  /** Sentences on what neither the runs nor this explanation can tell. */
  readonly unknown: readonly string[];
}

type RunParts = Readonly<Record<Part, number>>;

interface ExplainedRun {
  readonly predictedMs: number;
  readonly measuredMs: number;
  readonly parts: RunParts;
  readonly figures: readonly FigureOfRun[];
}

interface FigureOfRun extends Pick<Figure, "what" | "unit"> {
  readonly part: Part;
  readonly predicted: number;
  readonly measured: number;
}

/** `logs` are those of the runs, in order. Throws Fault("invalid-input") where one is no log. */
export function explainConfiguration(
  evidence: ConfigurationEvidence,
  documentInputs: SimulationInputs,
  logs: readonly string[],
): Explanation {
  const { overheadProfile = documentInputs.overheadProfile } = evidence;
  const inputs = { ...documentInputs, overheadProfile };
  const runs = evidence.runs.map((run, i) => explainRun(evidence, inputs, run, logs[i]));
  const over = (value: (run: ExplainedRun) => number): RunEstimate => {
    const values = runs.map(value);
    return runs.length === 1 ? { mean: values[0], halfWidth95: null } : estimate(values);
  };
  const parts = Object.fromEntries(
    PARTS.map((part) => [part, over((run) => run.parts[part])]),
  ) as Record<Part, RunEstimate>;
  const figures = runs[0].figures.map(({ what, unit, part }, i) => ({
    what,
    unit,
    part,
    predicted: over((run) => run.figures[i].predicted),
    measured: over((run) => run.figures[i].measured),
  }));
  const gapMs = over((run) => run.predictedMs - run.measuredMs);
  const measuredMs = over((run) => run.measuredMs);
  return {
    id: evidence.id,
    parameters: evidence.parameters,
    runs: runs.length,
    predictedMs: over((run) => run.predictedMs),
    measuredMs,
    gapMs,
    parts,
    figures,
    ...(evidence.judgement === undefined ? {} : { verdict: evidence.judgement.verdict }),
    sentence: sentenceOf(gapMs, errorOf(runs), parts, figures),
    unknown: unknownOf(evidence, inputs),
  };
}

function explainRun(
  evidence: ConfigurationEvidence,
  inputs: SimulationInputs,
  run: RunEvidence,
  log: string,
): ExplainedRun {
  const { document, backend, timeScale } = evidence;
  const plan = { document, inputs, backend, timeScale };
  const simulated = (
    overheadProfile: OverheadProfile | undefined,
    factors?: Readonly<Record<string, number>>,
  ): RunSummary => {
    const known = overheadProfile === undefined ? inputs : { ...inputs, overheadProfile };
    return predict({ ...plan, inputs: known }, run.replication, factors).summary;
  };
  const meanMs = ({ metrics }: RunSummary): number => metrics.latencyMeanMs ?? Number.NaN;
  const asKnown = inputs.overheadProfile ?? NO_OVERHEADS;
  const { clientRoundTripUs, workerRoundTripUs, gateway, latenessMeanMs } = run;
  const ways = {
    ...asKnown,
    clientRoundTripUs: [...clientRoundTripUs],
    workerRoundTripUs: [...workerRoundTripUs],
  };
  const { pace = {} } = run;
  const predicted = simulated(inputs.overheadProfile, pace);
  const services = servicesOf(
    compileSystem(document, inputs),
    log,
    givenWarmupS(document.workload),
  );
  const moved = Object.entries(factorsOf(predicted, services));
  const factors = Object.fromEntries(
    moved.map(([pool, factor]) => [pool, factor * (pace[pool] ?? 1)]),
  );
  const withService = simulated(inputs.overheadProfile, factors);
  const withWays = simulated(ways, factors);
  const withGateway = simulated({ ...ways, gateway }, factors);
  const inTimeMs = run.latencyMeanMs - latenessMeanMs;
  return {
    predictedMs: meanMs(predicted),
    measuredMs: run.latencyMeanMs,
    parts: {
      service: meanMs(predicted) - meanMs(withService),
      network: meanMs(withService) - meanMs(withWays),
      gateway: meanMs(withWays) - meanMs(withGateway),
      queueing: meanMs(withGateway) - inTimeMs,
      "load generator": -latenessMeanMs,
    },
    figures: figuresOf(asKnown, run, predicted, services, withGateway),
  };
}

const NO_OVERHEADS: OverheadProfile = {
  schema: "tandem/overhead@1",
  provenance: {
    kind: "measured",
    model: "none",
    modelFiles: [],
    device: "none",
    host: "none",
    runtime: "none",
    date: "",
  },
  clientRoundTripUs: [0],
  workerRoundTripUs: [0],
  gateway: { arrivalUs: 0, dispatchUs: 0, completionUs: 0 },
  contention: [1],
};

/** Mean service time by task, ms, of batches that began after the warm-up, in the middle of their round trip. */
function servicesOf(system: System, text: string, warmupS: number): Record<string, number> {
  const sums = system.pools.map(() => ({ us: 0, batches: 0 }));
  const startedUs = new Float64Array(system.replicas.length);
  for (const [kind, replica, nowUs, serviceUs, hopUs] of RunLog.parse(text).entries) {
    if (kind === "start") startedUs[replica] = nowUs;
    if (kind !== "served") continue;
    const beganUs = Math.max(startedUs[replica], nowUs - hopUs / 2 - serviceUs);
    if (beganUs < warmupS * 1e6) continue;
    const sum = sums[system.replicas[replica].pool];
    sum.us += serviceUs;
    sum.batches++;
  }
  return Object.fromEntries(
    system.pools.flatMap(({ name }, pool) => {
      const { us, batches } = sums[pool];
      return batches === 0 ? [] : [[name, us / batches / 1000]];
    }),
  );
}

function factorsOf(
  { tasks }: RunSummary,
  services: Readonly<Record<string, number>>,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(services).map(([task, measuredMs]) => {
      const factor = measuredMs / tasks[task].serviceMeanMs;
      return [task, Number.isFinite(factor) && factor > 0 ? factor : 1];
    }),
  );
}

/** The costs of a run beside the predicted ones; waits beside those of a prediction with all measured costs. */
function figuresOf(
  known: OverheadProfile,
  run: RunEvidence,
  { tasks }: RunSummary,
  services: Readonly<Record<string, number>>,
  informed: RunSummary,
): readonly FigureOfRun[] {
  const figure = (
    part: Part,
    what: string,
    predicted: number,
    measured: number,
    unit: Figure["unit"] = "ms",
  ): FigureOfRun => ({ part, what, unit, predicted, measured });
  const way = (what: string, name: "clientRoundTripUs" | "workerRoundTripUs"): FigureOfRun =>
    figure("network", what, meanOf(known[name]), meanOf(run[name]), "µs");
  const cost = (what: string, name: keyof RunEvidence["gateway"]): FigureOfRun =>
    figure("gateway", what, known.gateway[name], run.gateway[name], "µs");
  const predictedMs = informed.metrics.queueWaitMeanMs ?? 0;
  return [
    ...Object.entries(services).map(([task, measuredMs]) =>
      figure("service", `a batch of ${task} takes`, tasks[task].serviceMeanMs, measuredMs),
    ),
    way("client to gateway and back", "clientRoundTripUs"),
    way("gateway to worker and back", "workerRoundTripUs"),
    cost("an arrival costs the gateway", "arrivalUs"),
    cost("a batch's start costs it", "dispatchUs"),
    cost("a batch's end costs it", "completionUs"),
    figure("queueing", "a request waits in queues", predictedMs, run.queueWaitMeanMs),
    figure("load generator", "requests sent late by", 0, run.latenessMeanMs),
  ];
}

const CAUSES: Readonly<Record<Part, string>> = {
  service: "what models took, and what that does to queues",
  network: "the ways between client, gateway and workers",
  gateway: "the gateway's own work on messages",
  queueing: "waits that measured costs do not explain",
  "load generator": "requests that were sent late",
};

/** As the verdict has it, so that both say the same of a gap. */
function errorOf(runs: readonly ExplainedRun[]): RelativeError | null {
  return relativeError(
    runs.map(({ predictedMs }) => predictedMs),
    runs.map(({ measuredMs }) => measuredMs),
  );
}

function sentenceOf(
  gapMs: RunEstimate,
  error: RelativeError | null,
  parts: Readonly<Record<Part, RunEstimate>>,
  figures: readonly (Figure & { readonly part: Part })[],
): string {
  const share = signedPercent(error?.mean ?? Number.NaN);
  const gap = `predicted − measured is ${signed(gapMs.mean)} ms (${share})`;
  if (gapMs.halfWidth95 === null) {
    return `${gap} in one run: whether that is more than chance is not known.`;
  }
  const interval = error?.interval ?? null;
  if (interval === null || (interval.low <= 0 && interval.high >= 0)) {
    const range =
      interval === null
        ? ""
        : ` (90% interval: ${signedPercent(interval.low)} to ${signedPercent(interval.high)})`;
    return `${gap}, within what the real runs differ by themselves${range}: these runs show no gap to explain.`;
  }
  const [largest] = [...PARTS].sort((a, b) => Math.abs(parts[b].mean) - Math.abs(parts[a].mean));
  const { mean, halfWidth95 } = parts[largest];
  const sure =
    Math.abs(mean) > (halfWidth95 ?? 0)
      ? ""
      : ", though less surely than it differs from run to run";
  const [evidence] = figures
    .filter(({ part }) => part === largest)
    .sort((a, b) => difference(b) - difference(a));
  const told =
    evidence === undefined
      ? ""
      : `: ${evidence.what} ${evidence.measured.mean.toFixed(2)} ${evidence.unit}, predicted ${evidence.predicted.mean.toFixed(2)}`;
  return `${gap}; the largest part, ${signed(mean)} ms, is ${largest}, ${CAUSES[largest]}${sure}${told}.`;
}

function unknownOf(
  { document, backend, runs, judgement }: ConfigurationEvidence,
  { overheadProfile }: SimulationInputs,
): string[] {
  const assumed = Object.entries(document.models)
    .filter(([, { profile }]) => profile === undefined)
    .map(([name]) => name);
  const judged = Object.entries(judgement?.judgements ?? {});
  const others = judged.flatMap(([name, { verdict }]) =>
    name === "latencyMeanMs" || verdict === "agrees" ? [] : [name],
  );
  const doubts = new Map<string, string[]>();
  for (const [name, { reason }] of judged) {
    if (reason !== undefined) doubts.set(reason, [...(doubts.get(reason) ?? []), name]);
  }
  return [
    ...[...doubts].map(
      ([reason, names]) =>
        `whether ${names.join(" and ")} ${names.length === 1 ? "agrees" : "agree"}: ${reason}`,
    ),
    ...(backend === "replay"
      ? ["replicas only waited the predicted times: whether real models take them is not known"]
      : []),
    ...(assumed.length === 0
      ? []
      : [`service times of ${assumed.join(", ")} are assumed, not measured`]),
    ...(overheadProfile === undefined
      ? [
          "no overhead profile was given, so network and gateway were predicted by the scenario alone: those parts hold all that they cost",
        ]
      : []),
    ...(others.length === 0
      ? []
      : [`only the mean latency is taken apart, not ${others.join(", ")}`]),
    ...(runs.length < LEAST_RUNS
      ? [`${runs.length} of the ${LEAST_RUNS} runs that it takes to judge by`]
      : []),
  ];
}

function difference({ predicted, measured }: Figure): number {
  return Math.abs(predicted.mean - measured.mean);
}

function signed(value: number): string {
  return `${value >= 0 ? "+" : "−"}${Math.abs(value).toFixed(2)}`;
}
