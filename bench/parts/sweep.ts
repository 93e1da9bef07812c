/** How many configurations a second a sweep simulates: one thread, two, and what the machine can do. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { type Part, requestsAt, shown, spreadOf, target } from "../measure/part.ts";
import { runToEnd, tandemSimulate } from "../measure/programs.ts";

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
    const { scratch } = options;
    const requests = requestsAt(options, REQUESTS);
    const rates = RATES.slice(0, Math.max(2, Math.round(RATES.length * options.scale)));
    const file = (name: string, of: readonly number[]): string => {
      const path = join(scratch, `${name}.yaml`);
      writeFileSync(path, scenario(requests, of));
      return path;
    };
    const whole = file("sweep", rates);
    const halves = [0, 1].map((half) => {
      const own = rates.filter((_, i) => i % 2 === half);
      return file(`half-${half}`, own);
    });
    const command = (path: string, workers: number): readonly string[] => {
      const out = mkdtempSync(join(scratch, "sweep-"));
      return tandemSimulate([path, "--workers", String(workers), "--out", out, "--json"]);
    };
    const rounds = Array.from(
      { length: Math.min(options.rounds, MOST_ROUNDS) },
      (): Round => ({
        one: runToEnd(command(whole, 1), scratch).seconds,
        two: runToEnd(command(whole, 2), scratch).seconds,
        halves: atOnce(
          halves.map((half) => command(half, 1)),
          scratch,
        ),
      }),
    );
    return report(rounds, rates.length * REPLICAS.length, requests);
  },
};

/** Seconds until all of these have ended, started together. */
function atOnce(commands: readonly (readonly string[])[], folder: string): number {
  const lines = commands.map((words) => {
    const quoted = words.map((word) => `'${word}'`).join(" ");
    return `${quoted} > /dev/null &`;
  });
  return runToEnd(["/bin/sh", "-c", `${lines.join("\n")}\nwait`], folder).seconds;
}

function report(rounds: readonly Round[], configurations: number, requests: number) {
  const perS = (of: (round: Round) => number): string =>
    shown(spreadOf(rounds.map((round) => configurations / of(round))), 0);
  const ratio = spreadOf(rounds.map(({ one, two }) => one / two));
  const ceiling = spreadOf(rounds.map(({ one, halves }) => one / halves));
  const on = `on ${availableParallelism()} cores (two processes: ${ceiling.median.toFixed(2)})`;
  return {
    head: [
      "configurations × replications × requests",
      ...["per second, 1 thread", "2 threads", "ratio", "of two processes with half each"],
    ],
    rows: [
      [
        `${configurations} × ${REPLICATIONS} × ${requests.toLocaleString("en")}`,
        ...[perS(({ one }) => one), perS(({ two }) => two), shown(ratio), shown(ceiling)],
      ],
    ],
    targets: [target(`sweep, two threads by one, ${on}`, ratio.median, { least: LEAST }, 2)],
    skipped: [],
  };
}
