/** Replayed times: random pipelines, shapes and schedulers, whose real runs pass the simulator's own service times. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { RandomStream } from "../../engine/random/stream.ts";
import { type Outcome, outcomeOf, type StudyCase } from "./study-case.ts";
import { tandem } from "./tandem-command.ts";

const SCHEDULERS = [
  ...["fifo", "join-shortest-queue", "power-of-two", "round-robin", "edf", "sjf"],
  ...["least-slack", "clipper", "nexus", "triton"],
] as const;

interface ReplayedCase extends StudyCase {
  readonly load: number;
  readonly scheduler: string;
  readonly tasks: number;
  readonly mostReplicas: number;
}

/** 24 of 1 to 8 tasks, up to 64 workers, every scheduler at least twice, load up to 90%. */
export const REPLAYED_CASES: readonly ReplayedCase[] = Array.from({ length: 24 }, (_, i) => {
  const stream = new RandomStream(`fidelity/${i}`, "case");
  const scheduler = SCHEDULERS[i % SCHEDULERS.length];
  const tasks = 1 + (i % 8);
  return {
    name: `${i + 1}-${scheduler}`,
    seed: i + 1,
    scheduler,
    tasks,
    load: Math.round(100 * (0.3 + 0.6 * stream.uniform())) / 100,
    mostReplicas: [1, 2, 4, 8][i % 4],
  };
});

/** A chain with branches, and a join in every third pipeline of three tasks or more. */
function replayedScenario({ name, seed, scheduler, tasks, load, mostReplicas }: ReplayedCase) {
  const stream = new RandomStream(`fidelity/${seed}`, "pipeline");
  const between = (low: number, high: number): number => low + (high - low) * stream.uniform();
  const names = Array.from({ length: tasks }, (_, i) => `task-${i + 1}`);
  const joins = tasks >= 3 && seed % 3 === 0;
  const described = names.map((task, i) => {
    const after = i === 0 ? [] : joins && i === 2 ? [names[0]] : [names[i - 1]];
    const both = joins && i === 3 ? [names[1], names[2]] : after;
    const when = i > 0 && stream.uniform() < 0.3 ? { when: { probability: 0.5 } } : {};
    return [task, { model: task, ...(both.length === 0 ? {} : { after: both }), ...when }];
  });
  const models = names.map((task) => {
    const meanMs = Math.round(between(10, 120));
    const service = {
      distribution: "lognormal",
      meanMs,
      cv: Math.round(10 * between(0.1, 1)) / 10,
    };
    return [task, { service }];
  });
  const replicas = names.map((task) => [task, 1 + stream.integer(mostReplicas)]);
  return {
    name,
    pipelines: {
      p: { slo: { latencyMs: 300 * tasks, percentile: 95 }, tasks: Object.fromEntries(described) },
    },
    models: Object.fromEntries(models),
    cluster: { replicas: Object.fromEntries(replicas) },
    scheduler,
    workload: { arrivals: "poisson", ratePerS: { ofCapacity: load }, durationS: 22, warmupS: 2 },
    run: { seed, replications: 3 },
    validation: {
      repeats: 3,
      metrics: { latencyMeanMs: 0.03, latencyP99Ms: 0.06, sloAttainmentRatio: 0.01 },
      points: [{ scheduler }],
    },
  };
}

export async function validateReplayed(one: ReplayedCase, folder: string): Promise<Outcome> {
  const file = join(folder, "scenario.yaml");
  writeFileSync(file, stringify(replayedScenario(one)));
  const startMs = performance.now();
  const document = JSON.parse(await tandem(["validate", file, "--out", folder, "--json"]));
  return outcomeOf(document.configurations[0], (performance.now() - startMs) / 1000);
}
