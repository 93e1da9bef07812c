/** How many configurations a second a sweep simulates, with one thread and with two. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { tandemSimulate } from "../fresh-process.ts";
import { type Part, requestsAt } from "../part.ts";
import { inTurn, shown, spreadOf } from "../spread.ts";

const REQUESTS = 10_000;
const REPLICATIONS = 2;
const LEAST = 1.6;
const RATES = Array.from({ length: 125 }, (_, i) => 20 + i / 2);
const REPLICAS = [1, 2, 4, 8];

const scenario = (requests: number, rates: readonly number[]): string => `
name: sweep
pipelines: { queue: { tasks: { serve: { model: server } } } }
models: { server: { service: { distribution: exponential, meanMs: 10 } } }
cluster: { replicas: { serve: 1 } }
scheduler: join-shortest-queue
workload: { arrivals: poisson, ratePerS: 1, requests: ${requests} }
run: { seed: 1, replications: ${REPLICATIONS} }
sweep:
  cluster.replicas.serve: [${REPLICAS}]
  workload.ratePerS: [${rates}]
`;

export const sweep: Part = {
  name: "sweep",
  about: "whole process of `tandem simulate --out` over a grid of M/M/c under join-shortest-queue",
  run(options) {
    const requests = requestsAt(options, REQUESTS);
    const file = join(options.scratch, "sweep.yaml");
    const rates = RATES.slice(0, Math.max(2, Math.round(RATES.length * options.scale)));
    const configurations = rates.length * REPLICAS.length;
    writeFileSync(file, scenario(requests, rates));
    const perSecond = (workers: number): number => {
      const out = mkdtempSync(join(options.scratch, "sweep-"));
      const given = [file, "--workers", String(workers), "--out", out, "--json"];
      return configurations / tandemSimulate(given, options.scratch).seconds;
    };
    const pairs = inTurn(
      options.rounds,
      () => perSecond(1),
      () => perSecond(2),
    );
    const ratio = spreadOf(pairs.map(([one, two]) => two / one));
    return {
      head: [
        "configurations × replications × requests",
        "per second, 1 thread",
        "2 threads",
        "ratio",
      ],
      rows: [
        [
          `${configurations} × ${REPLICATIONS} × ${requests.toLocaleString("en")}`,
          shown(spreadOf(pairs.map(([one]) => one)), 0),
          shown(spreadOf(pairs.map(([, two]) => two)), 0),
          shown(ratio),
        ],
      ],
      targets: [
        {
          what: `sweep, two threads by one, on ${availableParallelism()} cores`,
          asked: `at least ${LEAST}`,
          found: ratio.median.toFixed(2),
          met: ratio.median >= LEAST,
        },
      ],
      skipped: [],
    };
  },
};
