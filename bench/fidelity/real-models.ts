/**
 * Real ONNX models: each case calibrates anew and is validated. Some have one profile falsified by 15%; some a wrong
 * structure: the slow-down by neighbours left out of the prediction, or a replica fewer on the cluster than predicted.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { ONE_REPLICA_LESS } from "./one-replica-less.ts";
import { type Outcome, outcomeOf, type StudyCase } from "./study-case.ts";
import { tandem } from "./tandem-command.ts";

interface ModelCase extends StudyCase {
  readonly pipeline: keyof typeof PIPELINES;
  readonly load: number;
  /** The falsified times are the true ones multiplied by this. */
  readonly factor?: number;
}

const DETECT = { model: "detector", payloadBytes: 60_000 };
const PLATE = { model: "plate-reader", payloadBytes: 60_000 };
const CAR = { contains: "car", probability: 0.6 };

const PIPELINES = {
  detect: { detect: DETECT },
  "detect-plate": { detect: DETECT, plate: { ...PLATE, after: ["detect"], when: CAR } },
  "side-by-side": { detect: DETECT, plate: PLATE },
} as const;

const MODELS = {
  detector: { profile: "profiles/detector.json", implementation: { name: "ssd-mobilenet-v2" } },
  "plate-reader": {
    profile: "profiles/plate-reader.json",
    implementation: { name: "plate-reader", parameters: { side: 320 } },
  },
} as const;

const LOADS = [0.3, 0.4, 0.5, 0.7];

/**
 * Twelve with nothing wrong, six with a falsified profile; two without contention: where models run side by side even
 * under light load, so that it looks like slower models, and where only load brings them together; and two with a replica less, at loads where one more takes a tenth of the mean latency away.
 */
export const MODEL_CASES: readonly ModelCase[] = [
  ...LOADS.flatMap((load) =>
    (["detect", "detect-plate", "side-by-side"] as const).map((pipeline): ModelCase => {
      return { name: `${pipeline}-${load}`, seed: 1, pipeline, load };
    }),
  ),
  ...(["detect", "detect-plate", "side-by-side"] as const).flatMap((pipeline) =>
    [1.15, 1 / 1.15].map((factor, i): ModelCase => {
      const wrong = pipeline === "detect-plate" ? "plate-reader" : "detector";
      const name = `${pipeline}-${wrong}-${i === 0 ? "long" : "short"}`;
      return { name, seed: 1, pipeline, load: 0.4, wrong, factor };
    }),
  ),
  ...(["side-by-side", "detect-plate"] as const).map((pipeline): ModelCase => {
    const name = pipeline === "detect-plate" ? "contention-chain-0.7" : "contention-0.7";
    return { name, seed: 1, pipeline, load: 0.7, wrong: "contention" };
  }),
  ...[0.25, 0.3].map((load): ModelCase => {
    return { name: `replica-${load}`, seed: 1, pipeline: "detect", load, wrong: "replica" };
  }),
];

function modelScenario({ name, seed, pipeline, load, wrong }: ModelCase) {
  const tasks = PIPELINES[pipeline];
  const used = new Set(Object.values(tasks).map(({ model }) => model));
  const perTask = wrong === "replica" ? 2 : 1;
  const scheduler = wrong === "replica" ? { file: `./${ONE_REPLICA_LESS.file}` } : "fifo";
  const models = Object.entries(MODELS).filter(([model]) => used.has(model as keyof typeof MODELS));
  return {
    name,
    pipelines: { p: { slo: { latencyMs: 500, percentile: 95 }, tasks } },
    models: Object.fromEntries(models),
    cluster: {
      nodes: [{ name: "machine", devices: { cpu: { slots: 2, shared: true } } }],
      replicas: Object.fromEntries(Object.keys(tasks).map((task) => [task, perTask])),
      overheadProfile: "profiles/overheads.json",
    },
    scheduler,
    workload: { arrivals: "poisson", ratePerS: { ofCapacity: load }, durationS: 600, warmupS: 2 },
    run: { seed, replications: 3 },
    validation: {
      backend: "onnx",
      metrics: { latencyMeanMs: 0.05, latencyP95Ms: 0.1, latencyP99Ms: 0.15 },
      points: [{ scheduler }],
    },
  };
}

/** As a user does, within the default bounds of both commands: 120 s of rounds, ten minutes of blocks. */
export async function validateModels(one: ModelCase, folder: string): Promise<Outcome> {
  const file = join(folder, "scenario.yaml");
  writeFileSync(file, stringify(modelScenario(one)));
  writeFileSync(join(folder, ONE_REPLICA_LESS.file), ONE_REPLICA_LESS.text);
  const startMs = performance.now();
  await tandem(["calibrate", file, "--json"]);
  falsify(one, folder);
  const printed = await tandem(["validate", file, "--out", folder, "--json"]);
  return outcomeOf(JSON.parse(printed).configurations[0], (performance.now() - startMs) / 1000);
}

interface StoredTimes {
  batches: { meanUs: number; quantilesUs: number[] }[];
  rounds: { aloneUs: (number | null)[]; level: { us: number } | null; inPlaceUs: number | null }[];
}

function falsify({ wrong, factor = 1 }: ModelCase, folder: string): void {
  if (wrong === undefined || wrong === "replica") return;
  const isContention = wrong === "contention";
  const path = join(folder, "profiles", `${isContention ? "overheads" : wrong}.json`);
  const stored = JSON.parse(readFileSync(path, "utf8"));
  if (isContention) {
    stored.contention = stored.contention.map(() => 1);
    for (const round of stored.rounds) round.contention = [1];
  } else {
    const times = stored as StoredTimes;
    const scaled = (us: number | null): number | null => (us === null ? null : us * factor);
    for (const batch of times.batches) {
      batch.meanUs *= factor;
      batch.quantilesUs = batch.quantilesUs.map((us) => us * factor);
    }
    for (const round of times.rounds) {
      round.aloneUs = round.aloneUs.map(scaled);
      if (round.level !== null) round.level.us *= factor;
      round.inPlaceUs = scaled(round.inPlaceUs);
    }
  }
  writeFileSync(path, JSON.stringify(stored));
}
