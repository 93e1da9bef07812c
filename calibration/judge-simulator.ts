/**
 * The simulator's own verdict: fed with each run's trace and message costs, its figures against those of the run, in pairs.
 * What the host did is on both sides, and cancels. Source: Kleijnen, Bettonvil & Van Groenendaal, "Validation of
 * trace-driven simulation models: a novel regression test", Management Science 44(6), 1998.
 */
import { RunLog } from "../engine/dispatch/run-log.ts";
import type { SimulatorJudgement } from "../results/validation.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import type { RunEvidence } from "./explain.ts";
import { type Figures, type JudgedBy, judge } from "./judge.ts";
import { type PredictionPlan, predictionInputs, predictTraced } from "./predict.ts";
import { pathsOf, requestTrace } from "./run-trace.ts";

/** A run with its figures and log. */
export interface TracedRun {
  readonly evidence: RunEvidence;
  readonly measured: Figures;
  readonly log: string;
}

/** Null where runs have no trace: of language models, of tasks with variants, and of clients that try again. */
export function judgeSimulator(
  plan: PredictionPlan,
  runs: readonly TracedRun[],
  by: Omit<JudgedBy, "unfit">,
): SimulatorJudgement | null {
  const { models, pipelines, workload } = plan.document;
  const hasTokens = Object.values(models).some(({ tokens }) => tokens !== undefined);
  const tasks = Object.values(pipelines).flatMap((one) => Object.values(one.tasks));
  const hasVariants = tasks.some(({ variants }) => variants !== undefined);
  if (hasTokens || hasVariants || workload.client !== undefined) return null;
  const compared = runs.map((run) => compare(plan, run));
  const judgement = judge(compared, { ...by, unfit: null });
  const requests = compared.reduce((sum, one) => sum + one.requests, 0);
  const apart = compared.reduce((sum, one) => sum + one.apart, 0);
  const { error, judgements, verdict } = judgement;
  return { verdict, error, judgements, otherPathRatio: apart / Math.max(1, requests) };
}

function compare(plan: PredictionPlan, { evidence, measured, log }: TracedRun) {
  const { replication, clientRoundTripUs, workerRoundTripUs, gateway, latenessMeanMs } = evidence;
  const known = plan.inputs.overheadProfile;
  const costs = {
    clientRoundTripUs: [...clientRoundTripUs],
    workerRoundTripUs: [...workerRoundTripUs],
    gateway,
  };
  const own =
    known === undefined
      ? plan
      : { ...plan, inputs: { ...plan.inputs, overheadProfile: { ...known, ...costs } } };
  const system = compileSystem(plan.document, predictionInputs(own));
  const traced = predictTraced(own, replication, requestTrace(system, log));
  const real = pathsOf(system, RunLog.parse(log).entries);
  const simulated = pathsOf(system, traced.log.entries);
  return {
    predicted: sentLate(traced.summary.metrics, latenessMeanMs),
    measured,
    requests: real.length,
    apart: real.filter((path, i) => path !== simulated[i]).length,
  };
}

/** A latency counts from the instant at which its request was due, also where it was sent late. */
function sentLate(figures: Figures, lateMs: number): Figures {
  return Object.fromEntries(
    Object.entries(figures).map(([name, value]) => [
      name,
      name.startsWith("latency") ? value + lateMs : value,
    ]),
  );
}
