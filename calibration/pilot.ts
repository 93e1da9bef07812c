/**
 * Costs of serving. A no-op task gives the costs of messages without models. A pilot run of the real pipeline
 * under moderate load, with all contents in whole rounds, then measures messages while models keep the
 * processors busy, and how much serving slows the models. Predictions of other loads, shapes and schedulers
 * start from there.
 *
 *   models alone ─> pilot ─> models alone     once more where these say that the host drifted
 */
import { startDeployment } from "../cluster/deploy/deployment.ts";
import { type MeasuredRun, measuredRun } from "../cluster/deploy/measured-run.ts";
import { payloadRequest } from "../cluster/load/tensor-inputs.ts";
import type { RequestContents } from "../cluster/protocol/messages.ts";
import { Fault } from "../core/fault.ts";
import { poolsOf } from "../core/placement.ts";
import type { OverheadProfile, Profile } from "../core/profile.ts";
import { modelSchema } from "../core/scenario/schema/pipelines.ts";
import { type ScenarioDocument, scenarioSchema } from "../core/scenario/schema.ts";
import { runReplication, type SimulationInputs } from "../sim/replication.ts";
import type { ContentsByPipeline } from "./contents.ts";
import { type MessageCosts, messageCosts } from "./message-costs.ts";
import { type PaceFinding, PaceMeter, type PaceTarget, paceFinding } from "./pace.ts";
import { scaledProfile } from "./predict.ts";

interface PilotInput {
  readonly document: ScenarioDocument;
  /** By model name. */
  readonly profiles: Readonly<Record<string, Profile>>;
  /** As measured with a no-op. */
  readonly overheadProfile: OverheadProfile;
  /** Measured share of requests for which a conditional task ran, by `pipeline/task`. */
  readonly branchShares: Readonly<Record<string, number>>;
  readonly contents: ContentsByPipeline;
  /** Where the paths of models start. */
  readonly folder: string | undefined;
  /** Fewer requests are sent where they take longer, but one round through the contents is. */
  readonly maxSeconds?: number | undefined;
  /** Every model, to be called alone before and after the pilot. */
  readonly pace: readonly PaceTarget[];
  /** Called with the reason when the pilot is run again. */
  readonly onAgain?: (reason: string) => void;
}

/** About so many requests are sent. */
const REQUESTS = 192;
/** Aimed-at utilization of the busiest pool with one replica each. */
const UTILIZATION = 0.25;
/** Tiny models are bound by the serving, which is not to be overloaded. */
const MOST_PER_S = 40;
const SIMULATIONS = 40;
/** A host that drifts during both is likely to drift on. */
const MOST_PILOTS = 2;
/**
 * Drift of the models' own times, beyond which the effects of serving and of the host are not
 * separable.
 */
const MOST_DRIFT = 0.05;
const SEED = "calibration/pilot";

interface PilotResult {
  /** By model name: times as they are in a serving pipeline. */
  readonly profiles: Readonly<Record<string, Profile>>;
  /** As messages are under load. */
  readonly overheadProfile: OverheadProfile;
}

export async function runPilot(input: PilotInput): Promise<PilotResult> {
  const { profiles, overheadProfile, folder, onAgain } = input;
  const document = pilotDocument(input);
  const inputs: SimulationInputs = { profiles, traces: {}, overheadProfile, folder };
  const meter = new PaceMeter(input.pace);
  for (let pilots = 1; ; pilots++) {
    const before = await meter.measure();
    const { summary, overheads } = await servedRun(document, inputs, input.contents);
    const found = paceFinding([before, await meter.measure()], document, profiles, MOST_DRIFT);
    if (pilots < MOST_PILOTS && found !== null && found.reason !== null) {
      onAgain?.(found.reason);
      continue;
    }
    const factors = servingFactors(document, inputs, summary.tasks, found?.pace ?? {});
    return {
      profiles: Object.fromEntries(
        Object.entries(profiles).map(([model, profile]) => [
          model,
          servingProfile(profile, factors[model] ?? 1),
        ]),
      ),
      overheadProfile: { ...overheadProfile, ...messageCosts(overheads) },
    };
  }
}

async function servedRun(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  contents: ContentsByPipeline,
): Promise<MeasuredRun> {
  const deployment = await startDeployment({ document, inputs, backend: "real", seed: SEED });
  try {
    return await measuredRun(deployment, {
      document,
      inputs,
      seed: SEED,
      contents: (pipeline) => contents[pipeline],
      timeScale: 1,
    });
  } finally {
    await deployment.stop();
  }
}

/** One replica of each task, measured branch shares, and whole rounds through the contents. */
function pilotDocument({
  document,
  profiles,
  branchShares,
  contents,
  maxSeconds = Number.POSITIVE_INFINITY,
}: PilotInput): ScenarioDocument {
  const pipelines = Object.fromEntries(
    Object.entries(document.pipelines).map(([name, pipeline]) => {
      const tasks = Object.entries(pipeline.tasks).map(([task, entry]) => {
        const share = branchShares[`${name}/${task}`];
        const when =
          entry.when === undefined || share === undefined
            ? entry.when
            : { ...entry.when, probability: share };
        return [task, when === undefined ? entry : { ...entry, when }];
      });
      return [name, { ...pipeline, tasks: Object.fromEntries(tasks) }];
    }),
  );
  const models = Object.fromEntries(
    Object.entries(document.models).map(([name, { implementation }]) => [
      name,
      modelSchema.parse({ profile: name, implementation }),
    ]),
  );
  const replicas = Object.fromEntries(
    Object.values(pipelines).flatMap(({ tasks }) => Object.keys(tasks).map((task) => [task, 1])),
  );
  const busiestUs = Math.max(...loadsUs(pipelines, profiles));
  const ratePerS = Math.min(MOST_PER_S, (UTILIZATION * 1e6) / busiestUs);
  const round = Math.max(...Object.values(contents).map(({ length }) => length));
  return {
    name: document.name,
    pipelines,
    models,
    cluster: { replicas },
    scheduler: "fifo",
    workload: {
      arrivals: "poisson",
      ratePerS,
      requests: wholeRounds(round, maxSeconds * ratePerS),
      warmupS: 0,
    },
    run: { seed: 1, replications: 1 },
  };
}

/**
 * Requests for whole rounds through `contents`, at most `most` but one round; a part of a round of
 * many contents.
 */
export function wholeRounds(contents: number, most = Number.POSITIVE_INFINITY): number {
  if (contents >= REQUESTS) return REQUESTS;
  const rounds = Math.min(Math.ceil(REQUESTS / contents), Math.floor(most / contents));
  return Math.max(1, rounds) * contents;
}

/** Work that one request brings to each task, µs, if every predecessor runs. */
function loadsUs(
  pipelines: ScenarioDocument["pipelines"],
  profiles: Readonly<Record<string, Profile>>,
): number[] {
  return Object.values(pipelines).flatMap(({ tasks }) =>
    poolsOf(tasks).map(
      ({ task, model }) => profiles[model].batches[0].meanUs * (tasks[task].when?.probability ?? 1),
    ),
  );
}

/**
 * Measured over simulated service time of each model's jobs in the pilot, at the pace that the host
 * had then, and at least 1: serving cannot speed a model up, so the rest is chance.
 */
export function servingFactors(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  measured: Readonly<Record<string, Readonly<Record<string, number>>>>,
  pace: PaceFinding["pace"],
): Readonly<Record<string, number>> {
  const simulatedMs: Record<string, number> = {};
  for (let replication = 0; replication < SIMULATIONS; replication++) {
    const { tasks } = runReplication(document, inputs, replication).summary;
    for (const [task, { serviceMeanMs }] of Object.entries(tasks)) {
      simulatedMs[task] = (simulatedMs[task] ?? 0) + serviceMeanMs / SIMULATIONS;
    }
  }
  const factors: Record<string, number> = {};
  for (const { tasks } of Object.values(document.pipelines)) {
    for (const { pool: task, model } of poolsOf(tasks)) {
      const factor = measured[task].serviceMeanMs / simulatedMs[task] / (pace[task] ?? 1);
      factors[model] = Math.max(factors[model] ?? 1, Number.isFinite(factor) ? factor : 1);
    }
  }
  return factors;
}

function servingProfile(profile: Profile, servingFactor: number): Profile {
  return { ...scaledProfile(profile, servingFactor), servingFactor };
}

const RATE_PER_S = 40;
const WARMUP_S = 1;

/**
 * Costs of serving without models: a pipeline of one no-op task through a real gateway and a real
 * worker, with as many bytes as the real pipeline gets, under light open-loop load. Runs for
 * `seconds` and a second of warm-up. Throws Fault("unhealthy") when nothing was answered.
 */
export async function measureOverheads(
  contents: readonly RequestContents[],
  seconds: number,
): Promise<MessageCosts> {
  const document = scenarioSchema.parse({
    name: "overheads",
    pipelines: { "no-op": { tasks: { "no-op": { model: "no-op" } } } },
    models: {
      "no-op": {
        service: { distribution: "deterministic", meanMs: 0.001 },
        implementation: { name: "no-op" },
      },
    },
    cluster: { replicas: { "no-op": 1 } },
    workload: {
      arrivals: "poisson",
      ratePerS: RATE_PER_S,
      durationS: WARMUP_S + seconds,
      warmupS: WARMUP_S,
    },
  });
  const payloads = contents.map(({ rawInputContents = [] }) =>
    payloadRequest(Buffer.concat(rawInputContents)),
  );
  const inputs = { profiles: {}, traces: {} };
  const seed = "calibration/overheads";
  const deployment = await startDeployment({ document, inputs, backend: "onnx", seed });
  try {
    const { overheads } = await measuredRun(deployment, {
      document,
      inputs,
      seed,
      contents: () => payloads,
      timeScale: 1,
    });
    if (overheads.clientRoundTripUs.length === 0 || overheads.workerRoundTripUs.length === 0) {
      throw new Fault("unhealthy", "no request of the overhead measurement was answered");
    }
    return messageCosts(overheads);
  } finally {
    await deployment.stop();
  }
}
