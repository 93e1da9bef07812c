/**
 * Workers killed and restarted, on replayed times. Both sides know the plan: which replica dies when, and how long a
 * restart takes, which the first run measures. That run is not judged.
 */
import { judge } from "../../calibration/judge.ts";
import { withMessageCosts } from "../../calibration/message-costs.ts";
import { predict } from "../../calibration/predict.ts";
import { type Deployment, startDeployment } from "../../cluster/deploy/deployment.ts";
import { type MeasuredRun, measuredRun } from "../../cluster/deploy/measured-run.ts";
import { payloadRequest } from "../../cluster/load/tensor-inputs.ts";
import { RunLog } from "../../engine/dispatch/run-log.ts";
import { meanOf } from "../../engine/statistics/estimate.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { parseScenario } from "../../scenario/parse.ts";
import type { ScenarioDocument } from "../../scenario/schema/scenario.ts";
import { replicationSeed, type SimulationInputs } from "../../sim/replication.ts";
import type { Outcome, StudyCase } from "./study-case.ts";

interface KilledCase extends StudyCase {
  readonly load: number;
}

export const KILLED_CASES: readonly KilledCase[] = [0.5, 0.6, 0.7].map((load, i) => {
  return { name: `killed-${load}`, seed: i + 1, load };
});

const PLAN = [
  { replica: "detect-2", atS: 12 },
  { replica: "plate-1", atS: 27 },
  { replica: "detect-3", atS: 42 },
] as const;
const RUN_S = 60;
const RUNS = 4;
const TOLERANCE = { goodputPerS: 0.03, latencyP99Ms: 0.15 };

function killedScenario({ name, seed, load }: KilledCase): unknown {
  const times = (meanMs: number) => ({ service: { distribution: "lognormal", meanMs, cv: 0.4 } });
  return {
    name,
    pipelines: {
      p: {
        slo: { latencyMs: 400 },
        tasks: {
          detect: { model: "detector" },
          plate: { model: "plate-reader", after: ["detect"], when: { probability: 0.6 } },
        },
      },
    },
    models: { detector: times(80), "plate-reader": times(100) },
    cluster: { replicas: { detect: 3, plate: 3 } },
    scheduler: "fifo",
    workload: {
      arrivals: "poisson",
      ratePerS: { ofCapacity: load },
      durationS: RUN_S,
      warmupS: 2,
    },
    run: { seed, replications: RUNS },
  };
}

export async function validateKilled(one: KilledCase): Promise<Outcome> {
  const startMs = performance.now();
  const { document } = parseScenario(JSON.stringify(killedScenario(one)), one.name, readNothing);
  const plain: SimulationInputs = { profiles: {}, traces: {} };
  const carried = [payloadRequest(new Uint8Array(64))];
  const contents = () => carried;
  const date = new Date().toISOString();
  const given = { document, inputs: plain, contents, timeScale: 1, date };
  const { inputs, doubt } = await withMessageCosts(given);
  const runs = await killedRuns(document, inputs, contents);
  const restartS = meanOf(outages(document, inputs, runs[0]));
  const faulty: ScenarioDocument = {
    ...document,
    faults: {
      detection: { intervalMs: 0, timeoutMs: 0, failures: 1 },
      random: [],
      scheduled: PLAN.map((kill) => ({ ...kill, kind: "crash", forS: restartS })),
    },
  };
  const judged = runs.slice(1).map(({ summary }, i) => {
    const plan = { document: faulty, inputs, backend: "replay", timeScale: 1 } as const;
    return {
      predicted: predict(plan, i + 1).summary.metrics,
      measured: summary.metrics,
    };
  });
  const by = { tolerance: TOLERANCE, unfit: doubt, runSeconds: RUN_S, warmupS: 2 };
  const { verdict, error, judgements } = judge(judged, by);
  const reason = Object.values(judgements).find((other) => other.reason !== undefined)?.reason;
  const attained = (side: "predicted" | "measured"): number =>
    meanOf(judged.map((run) => run[side].sloAttainmentRatio ?? Number.NaN));
  return {
    verdict,
    error,
    ownError: {},
    ...(reason === undefined ? {} : { reason }),
    attainment: { predicted: attained("predicted"), measured: attained("measured") },
    ...{
      runs: judged.length,
      setAside: 0,
      seconds: Math.round((performance.now() - startMs) / 1000),
    },
  };
}

async function killedRuns(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  contents: Parameters<typeof measuredRun>[1]["contents"],
): Promise<MeasuredRun[]> {
  const seed = replicationSeed(document.run.seed, 0);
  const options = { document, inputs, backend: "replay", seed, replicasPerWorker: 1 } as const;
  const deployment = await startDeployment({ ...options, restart: true });
  const runs: MeasuredRun[] = [];
  try {
    for (let run = 0; run < RUNS; run++) {
      const plan = killing(deployment);
      const own = { document, inputs, seed: replicationSeed(document.run.seed, run), contents };
      runs.push(await measuredRun(deployment, { ...own, onProgress: plan.onProgress }));
    }
  } finally {
    await deployment.stop();
  }
  return runs;
}

/** Kills by the plan, from the first request on. */
function killing(deployment: Deployment): {
  readonly onProgress: (count: { readonly sent: number }) => void;
} {
  let began = false;
  return {
    onProgress: ({ sent }) => {
      if (began || sent === 0) return;
      began = true;
      for (const { replica, atS } of PLAN) {
        setTimeout(() => {
          const { pid } = deployment.workers.find((one) => one.replica === replica) ?? {};
          if (pid !== undefined) process.kill(pid, "SIGKILL");
        }, atS * 1000);
      }
    },
  };
}

/** How long each killed replica was away, s. */
function outages(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  { log }: MeasuredRun,
): number[] {
  const { replicas } = compileSystem(document, inputs);
  const lostUs = new Map<string, number>();
  return RunLog.parse(log).entries.flatMap(([kind, replica, nowUs]) => {
    const name = replicas[replica]?.name;
    if (kind === "lose") lostUs.set(name, nowUs);
    const sinceUs = lostUs.get(name);
    return kind === "join" && sinceUs !== undefined ? [(nowUs - sinceUs) / 1e6] : [];
  });
}

function readNothing(path: string): never {
  throw new Error(`the scenario reads no file, but asked for ${path}`);
}
