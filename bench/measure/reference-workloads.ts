/** The workloads that speed is stated for, as public scenario documents. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { type ScenarioDocument, scenarioSchema } from "../../core/scenario/schema.ts";

export const WORKLOADS = {
  A: "M/M/1 at 0.9",
  B: "M/M/16 at 0.9, one central queue",
  C: "a branch between two pools of lognormal service",
  J: "as B, join the shortest queue",
} as const;

export type WorkloadName = keyof typeof WORKLOADS;

export const WORKLOAD_NAMES = Object.keys(WORKLOADS) as WorkloadName[];

/** Workload C as a file: what a user would simulate. */
export const BRANCH_SCENARIO = fileURLToPath(
  new URL("../../scenarios/queueing/branch.yaml", import.meta.url),
);

/** The command line's override that gives `BRANCH_SCENARIO` so many requests. */
export function branchRequests(requests: number): string {
  return `workload={arrivals: poisson, ratePerS: 6.4, requests: ${requests}}`;
}

/**
 * The document of a reference workload, or of `SCHEDULER@REPLICAS`: a pool at 0.9, such as
 * `fifo@4096`.
 */
export function workloadDocument(name: string, requests: number, seed: number): ScenarioDocument {
  if (name === "C") return branch(requests, seed);
  const [scheduler, replicas] = (POOLS[name] ?? name).split("@");
  return pool(scheduler, Number(replicas), requests, seed);
}

const POOLS: Readonly<Record<string, string>> = {
  ...{ A: "fifo@1", B: "fifo@16", J: "join-shortest-queue@16" },
};

function pool(
  scheduler: string,
  replicas: number,
  requests: number,
  seed: number,
): ScenarioDocument {
  return scenarioSchema.parse({
    name: "pool",
    pipelines: { pool: { tasks: { serve: { model: "server" } } } },
    models: { server: { service: { distribution: "exponential", meanMs: 10 } } },
    cluster: { replicas: { serve: replicas } },
    scheduler,
    workload: { arrivals: "poisson", ratePerS: 90 * replicas, requests },
    run: { seed },
  });
}

function branch(requests: number, seed: number): ScenarioDocument {
  const raw = parse(readFileSync(BRANCH_SCENARIO, "utf8")) as Record<string, unknown>;
  const workload = { arrivals: "poisson", ratePerS: 6.4, requests };
  return scenarioSchema.parse({ ...raw, workload, run: { seed } });
}
