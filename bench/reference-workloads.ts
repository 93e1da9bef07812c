/** The workloads that speed is stated for, as public scenario documents. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { type ScenarioDocument, scenarioSchema } from "../core/scenario/schema.ts";

export const WORKLOADS = {
  A: "M/M/1 at 0.9",
  B: "M/M/16 at 0.9, one central queue",
  C: "a branch between two pools of lognormal service",
  J: "as B, join the shortest queue",
} as const;

export type WorkloadName = keyof typeof WORKLOADS;

/** The document of a workload with as many requests as asked for. */
export function workloadDocument(name: WorkloadName, requests: number): ScenarioDocument {
  switch (name) {
    case "A":
      return queue(1, "fifo", requests);
    case "B":
      return queue(16, "fifo", requests);
    case "C":
      return branch(requests);
    case "J":
      return queue(16, "join-shortest-queue", requests);
  }
}

function queue(replicas: number, scheduler: string, requests: number): ScenarioDocument {
  return scenarioSchema.parse({
    name: "queue",
    pipelines: { queue: { tasks: { serve: { model: "server" } } } },
    models: { server: { service: { distribution: "exponential", meanMs: 10 } } },
    cluster: { replicas: { serve: replicas } },
    scheduler,
    workload: { arrivals: "poisson", ratePerS: 90 * replicas, requests },
  });
}

function branch(requests: number): ScenarioDocument {
  const file = fileURLToPath(new URL("../scenarios/queueing/branch.yaml", import.meta.url));
  const raw = parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  const { ratePerS } = raw.workload as { ratePerS: number };
  return scenarioSchema.parse({ ...raw, workload: { arrivals: "poisson", ratePerS, requests } });
}
