/** How many configurations a second a sweep simulates: one thread, two, and what the machine can do. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { runToEnd, tandemCommand, tandemSimulate } from "../measure/fresh-process.ts";
import { type Spread, shown, spreadOf } from "../measure/measurement.ts";
import { type Part, requestsAt } from "../measure/part.ts";

/** At full scale, 10,000 configurations of 2 × 3000 requests. */
const REQUESTS = 3000;
const REPLICATIONS = 2;
const LEAST = 1.6;
const RATES = Array.from({ length: 2500 }, (_, i) => 20 + i / 40);
/** Minutes: more rounds than this tell little more. */
const MOST_ROUNDS = 3;
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

/** Seconds of one round: one thread, two threads, and two processes with half the sweep each. */
interface Round {
  readonly one: number;
  readonly two: number;
  readonly halves: number;
}

export const sweep: Part = {
  name: "sweep",
  about: "whole process of `tandem simulate --out` over a grid of M/M/c under join-shortest-queue",
  run(options) {
    const requests = requestsAt(options, REQUESTS);
    const rates = RATES.slice(0, Math.max(2, Math.round(RATES.length * options.scale)));
    const file = (name: string, of: readonly number[]): string => {
      const path = join(options.scratch, `${name}.yaml`);
      writeFileSync(path, scenario(requests, of));
      return path;
    };
    const whole = file("sweep", rates);
    const halves = [0, 1].map((half) =>
      file(
        `half-${half}`,
        rates.filter((_, i) => i % 2 === half),
      ),
    );
    const words = (path: string, workers: number): string[] => {
      const out = mkdtempSync(join(options.scratch, "sweep-"));
      return [path, "--workers", String(workers), "--out", out, "--json"];
    };
    const seconds = (workers: number): number =>
      tandemSimulate(words(whole, workers), options.scratch).seconds;
    const rounds = Array.from(
      { length: Math.min(options.rounds, MOST_ROUNDS) },
      (): Round => ({
        one: seconds(1),
        two: seconds(2),
        halves: atOnce(
          halves.map((half) => words(half, 1)),
          options.scratch,
        ),
      }),
    );
    return report(rounds, rates.length * REPLICAS.length, requests);
  },
};

/** Seconds until all of these have ended, started together. */
function atOnce(commands: readonly string[][], folder: string): number {
  const quoted = commands.map((words) => {
    const { program, arguments: given } = tandemCommand(words);
    return [program, ...given].map((word) => `'${word}'`).join(" ");
  });
  const script = `${quoted.map((line) => `${line} > /dev/null &`).join("\n")}\nwait`;
  return runToEnd({ program: "/bin/sh", arguments: ["-c", script], folder }).seconds;
}

function report(rounds: readonly Round[], configurations: number, requests: number) {
  const rate = (of: (round: Round) => number): string =>
    shown(spreadOf(rounds.map((round) => configurations / of(round))), 0);
  const ratio: Spread = spreadOf(rounds.map(({ one, two }) => one / two));
  const ceiling: Spread = spreadOf(rounds.map(({ one, halves }) => one / halves));
  return {
    head: [
      "configurations × replications × requests",
      "per second, 1 thread",
      "2 threads",
      "ratio",
      "of two processes with half each",
    ],
    rows: [
      [
        `${configurations} × ${REPLICATIONS} × ${requests.toLocaleString("en")}`,
        rate(({ one }) => one),
        rate(({ two }) => two),
        shown(ratio),
        shown(ceiling),
      ],
    ],
    targets: [
      {
        what: `sweep, two threads by one, on ${availableParallelism()} cores (two processes: ${ceiling.median.toFixed(2)})`,
        asked: `at least ${LEAST}`,
        found: ratio.median.toFixed(2),
        met: ratio.median >= LEAST,
      },
    ],
    skipped: [],
  };
}
