/**
 * The prediction of one real run: the same document, arrivals, branches and scheduler code. Replayed
 * times are the very draws of the simulator, so one simulation predicts them. Nobody knows beforehand
 * how long a real model takes for a request, so the prediction is a mean over simulations that
 * differ in the work drawn.
 */

import { compileSystem } from "../core/compile.ts";
import type { RunSummary } from "../core/metrics/summary.ts";
import { poolsOf } from "../core/placement.ts";
import type { Profile } from "../core/profile.ts";
import type { GanttBar } from "../core/results.ts";
import type { BackendName } from "../core/scenario/schema/run.ts";
import type { ScenarioDocument, ServiceDocument } from "../core/scenario/schema.ts";
import { meanOf } from "../core/statistics/estimate.ts";
import { replicationSeed, runReplication, type SimulationInputs } from "../sim/replication.ts";

export interface PredictionPlan {
  readonly document: ScenarioDocument;
  readonly inputs: SimulationInputs;
  readonly backend: BackendName;
  readonly timeScale: number;
}

export interface Prediction {
  readonly summary: RunSummary;
  readonly gantt: readonly GanttBar[];
}

const WORK_DRAWS = 20;
const GANTT_BARS = 240;

/** `factors` multiply the profiled times of single tasks; none by default. */
export function predict(
  plan: PredictionPlan,
  replication: number,
  factors: Readonly<Record<string, number>> = {},
): Prediction {
  const { backend } = plan;
  const { document, inputs } = scaled(plan.document, predictionInputs(plan), factors);
  const seed = replicationSeed(document.run.seed, replication);
  const draws = backend === "replay" ? 1 : WORK_DRAWS;
  const runs = Array.from({ length: draws }, (_, draw) =>
    runReplication(document, inputs, replication, {
      curve: true,
      ganttBars: draw === 0 ? GANTT_BARS : 0,
      ...(draw === 0 ? {} : { workSeed: `${seed}/work/${draw}` }),
    }),
  );
  return { summary: meanSummary(runs.map((run) => run.summary)), gantt: runs[0].gantt };
}

/**
 * The inputs with serving overheads as the prediction needs them. Overheads pass in real time, so a
 * run at a tenth of the time stretches them tenfold; and replicas that only wait do not contend.
 */
function predictionInputs(plan: PredictionPlan): SimulationInputs {
  const { document, inputs, backend, timeScale } = plan;
  const { overheadProfile } = inputs;
  if (overheadProfile === undefined) return inputs;
  const stretched = (us: number): number => us / timeScale;
  const { gateway } = overheadProfile;
  return {
    ...inputs,
    overheadProfile: {
      ...overheadProfile,
      clientRoundTripUs: overheadProfile.clientRoundTripUs.map(stretched),
      workerRoundTripUs: overheadProfile.workerRoundTripUs.map(stretched),
      gateway: {
        arrivalUs: stretched(gateway.arrivalUs),
        dispatchUs: stretched(gateway.dispatchUs),
        completionUs: stretched(gateway.completionUs),
      },
      contention:
        backend === "replay"
          ? compileSystem(document, inputs).replicas.map(() => 1)
          : overheadProfile.contention,
    },
  };
}

/** Multiplies the times of each task's model by the task's factor; an assumed time by that of the model's first task. */
function scaled(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  factors: Readonly<Record<string, number>>,
): { readonly document: ScenarioDocument; readonly inputs: SimulationInputs } {
  const models = { ...document.models };
  const profiles: Record<string, Profile> = { ...inputs.profiles };
  for (const { tasks } of Object.values(document.pipelines)) {
    for (const { pool: task, model } of poolsOf(tasks)) {
      const given = document.models[model];
      const { service, profile } = given;
      const factor = factors[task] ?? 1;
      if (service !== undefined && models[model] === given) {
        models[model] = { ...given, service: scaledService(service, factor) };
      }
      const paths = typeof profile === "string" ? [profile] : Object.values(profile ?? {});
      for (const path of paths) profiles[path] = scaledProfile(inputs.profiles[path], factor);
    }
  }
  return { document: { ...document, models }, inputs: { ...inputs, profiles } };
}

/** Figure by figure; all runs served the same requests. */
function meanSummary(runs: readonly RunSummary[]): RunSummary {
  if (runs.length === 1) return runs[0];
  return {
    requests: runs[0].requests,
    counted: Math.min(...runs.map((run) => run.counted)),
    metrics: meanFigures(runs.map((run) => run.metrics)),
    tasks: meanByName(runs.map((run) => run.tasks)),
    pipelines: meanByName(runs.map((run) => run.pipelines)),
    digest: runs.map((run) => run.digest).join(""),
    curveMs: runs[0].curveMs.map((_, i) => meanOf(runs.map((run) => run.curveMs[i]))),
    growth: null,
    notes: [...new Set(runs.flatMap((run) => run.notes))],
  };
}

function meanByName(
  runs: readonly Readonly<Record<string, Readonly<Record<string, number>>>>[],
): Record<string, Record<string, number>> {
  return Object.fromEntries(
    Object.keys(runs[0]).map((name) => [name, meanFigures(runs.map((run) => run[name]))]),
  );
}

function meanFigures(runs: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  return Object.fromEntries(
    Object.keys(runs[0]).map((name) => [name, meanOf(runs.map((run) => run[name]))]),
  );
}

export function scaledProfile(profile: Profile, factor: number): Profile {
  const batches = profile.batches.map((entry) => ({
    ...entry,
    meanUs: entry.meanUs * factor,
    halfWidth95Us: entry.halfWidth95Us * factor,
    quantilesUs: entry.quantilesUs.map((us) => us * factor),
  }));
  return { ...profile, batches };
}

function scaledService(service: ServiceDocument, factor: number): ServiceDocument {
  if (service.distribution === "empirical") {
    return { ...service, samplesMs: service.samplesMs.map((ms) => ms * factor) };
  }
  return { ...service, meanMs: service.meanMs * factor };
}
