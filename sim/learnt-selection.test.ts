/** Variants chosen by feedback: regret against its bound, and losses that are the same for every scheduler. */
import { describe, expect, test } from "vitest";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { replayLog } from "../engine/record/replay.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { replicationSeed, runReplication } from "./replication.ts";
import { NO_INPUTS, scenarioOf } from "./scenario.test-support.ts";

const ACCURACIES = { a: 0.5, b: 0.6, c: 0.7, d: 0.5 };
const REQUESTS = 10_000;

const scenario = (scheduler: unknown, sections: object = {}) =>
  scenarioOf({
    pipelines: { p: { tasks: { guess: { variants: Object.keys(ACCURACIES) } } } },
    models: Object.fromEntries(
      Object.entries(ACCURACIES).map(([name, accuracy]) => [
        name,
        { service: { distribution: "exponential", meanMs: 5 }, accuracy },
      ]),
    ),
    cluster: {
      replicas: Object.fromEntries(Object.keys(ACCURACIES).map((name) => [`guess@${name}`, 2])),
    },
    workload: { arrivals: "poisson", ratePerS: 100, requests: REQUESTS },
    scheduler,
    ...sections,
  });

/** Answers that would have been right had the best variant given all, mean over replications. */
function regretOf(scheduler: unknown): number {
  const document = scenario(scheduler);
  const regrets = [0, 1, 2].map((replication) => {
    const { accuracyMean = 0 } = runReplication(document, NO_INPUTS, replication).summary.metrics;
    return (0.7 - accuracyMean) * REQUESTS;
  });
  return regrets.reduce((sum, regret) => sum + regret, 0) / regrets.length;
}

describe("regret in the simulator", () => {
  const bestEta = Math.sqrt((2 * Math.log(4)) / (REQUESTS * 4));

  test.each([0.01, bestEta])("of Exp3 with η = %d is below its bound", (eta) => {
    const regret = regretOf({ selection: { policy: "exp3", eta } });
    expect(regret).toBeGreaterThan(0);
    // Bubeck and Cesa-Bianchi, 2012, theorem 3.1.
    expect(regret).toBeLessThan(Math.log(4) / eta + (eta * REQUESTS * 4) / 2);
    // A choice at random loses 0.125 a request.
    expect(regret).toBeLessThan((0.125 * REQUESTS) / 2);
  });

  test("of ε-greedy is its exploration and little more", () => {
    const regret = regretOf({ selection: "epsilon-greedy" });
    expect(regret).toBeGreaterThan(0.1 * 0.125 * REQUESTS * 0.8);
    expect(regret).toBeLessThan(0.1 * 0.125 * REQUESTS * 2);
  });
});

/** The variant that served each answered request, and its loss. */
function judged(document: ReturnType<typeof scenario>) {
  const log = new RunLog();
  runReplication(document, NO_INPUTS, 0, { log });
  const { pools } = compileSystem(document, NO_INPUTS);
  const serialOf = new Map<number, number>();
  const losses = new Map<number, { model: string; loss: number }>();
  let serial = 0;
  for (const [kind, a, b, c] of log.entries) {
    if (kind === "arrive") serialOf.set(a, serial++);
    if (kind !== "feed") continue;
    losses.set(serialOf.get(a) as number, { model: pools[b].model, loss: c / 1e6 });
  }
  return { log, losses };
}

describe("losses", () => {
  test("are the request's own: a more accurate variant is right wherever a less accurate one is", () => {
    const one = judged(scenario({ selection: "exp3" })).losses;
    const other = judged(scenario({ selection: "epsilon-greedy", routing: "random" })).losses;
    expect(one.size).toBe(REQUESTS);
    expect(other.size).toBe(REQUESTS);
    const accuracyOf = (model: string): number => ACCURACIES[model as keyof typeof ACCURACIES];
    let better = 0;
    for (const [serial, { model, loss }] of one) {
      const rival = other.get(serial) as { model: string; loss: number };
      if (accuracyOf(model) >= accuracyOf(rival.model))
        expect(loss).toBeLessThanOrEqual(rival.loss);
      else expect(loss).toBeGreaterThanOrEqual(rival.loss);
      better += rival.loss - loss;
    }
    expect(better).not.toBe(0);
  });

  test("of a variant are as frequent as its accuracy says", () => {
    const { losses } = judged(scenario({ selection: { policy: "exp3", eta: 1e-6 } }));
    for (const [name, accuracy] of Object.entries(ACCURACIES)) {
      const own = [...losses.values()].filter(({ model }) => model === name);
      const wrong = own.reduce((sum, { loss }) => sum + loss, 0);
      const deviation = Math.sqrt(own.length * accuracy * (1 - accuracy));
      expect(Math.abs(wrong - own.length * (1 - accuracy))).toBeLessThan(4 * deviation);
    }
  });

  test("move no other stream: times of requests are as without a listener", () => {
    const only = { cluster: { replicas: { "guess@a": 2 } } };
    const latencies = (scheduler: unknown) =>
      runReplication(scenario(scheduler, only), NO_INPUTS, 0).summary.metrics.latencyMeanMs;
    expect(latencies({ selection: "exp3" })).toBe(latencies("fifo"));
  });

  test("are in the log, which replays, also where clients try again", () => {
    for (const client of [undefined, { timeoutMs: 12, retries: 2 }]) {
      const document = scenario("clipper", {
        workload: { arrivals: "poisson", ratePerS: 900, requests: 2000, client },
      });
      const { log } = judged(document);
      const system = compileSystem(document, NO_INPUTS);
      const make = createScheduler(document.scheduler, system, replicationSeed(1, 0));
      expect(log.entries.some(([kind]) => kind === "feed")).toBe(true);
      expect(replayLog(system, make, log).divergence).toBeNull();
    }
  });
});
