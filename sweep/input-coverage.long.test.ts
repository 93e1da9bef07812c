/** How often the interval of a prediction from a calibration on a drifting host holds the long-run truth. */
import { expect, test } from "vitest";
import { finished } from "../engine/basics/iterables.ts";
import { RandomStream } from "../engine/random/stream.ts";
import { meanOf } from "../engine/statistics/estimate.ts";
import { calibratedProfile } from "../scenario/compile/calibrated-profile.test-support.ts";
import type { Profile } from "../scenario/schema/profile.ts";
import { drawnSteps, runReplication, type SimulationInputs } from "../sim/replication.ts";
import { scenarioOf } from "../sim/scenario.test-support.ts";
import { configurationResult } from "./configuration-result.ts";

const MEANS_US = { detector: 50_000, reader: 25_000 };
const [ROUNDS, ROUND_S] = [12, 10];
/** Deviation of a round's mean: 25% of a call, 36 calls. */
const NOISE = 0.25 / 6;
const TRUTHS = 400;

const document = (seed: number, durationS: number, replications: number) =>
  scenarioOf({
    pipelines: {
      p: { tasks: { detect: { model: "detector" }, read: { model: "reader", after: ["detect"] } } },
    },
    models: { detector: { profile: "detector" }, reader: { profile: "reader" } },
    cluster: { replicas: { detect: 1, read: 1 } },
    workload: { arrivals: "poisson", ratePerS: 10, durationS, warmupS: 20 },
    run: { seed, replications },
  });

const inputsOf = (profiles: Record<string, Profile>): SimulationInputs => ({
  profiles,
  traces: {},
});

/** Both models meet the same drift: AR(1) of 2 to 5% with time constants of 20 to 120 s. */
function calibrated(experiment: number): SimulationInputs {
  const stream = new RandomStream(`${experiment}`, "calibration");
  const variates = new Float64Array(2000);
  stream.fillNormal(variates);
  let taken = 0;
  const normal = () => variates[taken++];
  const sigma = 0.02 + 0.03 * stream.uniform();
  const keep = Math.exp(-1 / (20 + 100 * stream.uniform()));
  let now = sigma * normal();
  const drift = Array.from({ length: ROUNDS }, () =>
    meanOf(
      Array.from({ length: ROUND_S }, () => {
        now = keep * now + Math.sqrt(1 - keep ** 2) * sigma * normal();
        return now;
      }),
    ),
  );
  const measured = Object.entries(MEANS_US).map(([model, us]): [string, Profile] => {
    const rounds = drift.map((log) => us * Math.exp(log + NOISE * normal()));
    return [model, calibratedProfile(rounds, `${experiment}`)];
  });
  return inputsOf(Object.fromEntries(measured));
}

test("95% intervals of the mean latency hold the long-run truth in 92 to 98% of calibrations", () => {
  const exact = Object.entries(MEANS_US).map(([model, us]) => [model, calibratedProfile([us])]);
  const long = runReplication(document(1, 40_000, 1), inputsOf(Object.fromEntries(exact)), 0);
  const truth = long.summary.metrics.latencyMeanMs ?? Number.NaN;
  const held = { total: 0, simulation: 0 };
  const widths: number[] = [];
  for (let experiment = 0; experiment < TRUTHS; experiment++) {
    const own = document(experiment, 120, 5);
    const inputs = calibrated(experiment);
    const replications = [0, 1, 2, 3, 4];
    const summaries = replications.map((i) => runReplication(own, inputs, i).summary);
    const drawn = replications.flatMap((i) => finished(drawnSteps(own, inputs, i)));
    const { metrics } = configurationResult(
      { id: "base", parameters: {}, document: own },
      [{ summaries, drawn, load: null }],
      { metrics: [], replications: 2 },
    );
    const { mean, halfWidth95, parts } = metrics.latencyMeanMs ?? { mean: 0, halfWidth95: 0 };
    const error = Math.abs(mean - truth);
    if (error <= halfWidth95) held.total++;
    if (error <= (parts?.simulation ?? 0)) held.simulation++;
    widths.push(halfWidth95 / mean);
  }
  const share = (count: number): string => `${((100 * count) / TRUTHS).toFixed(1)}%`;
  console.log(
    `held: ${share(held.total)}; by the simulation's part alone: ${share(held.simulation)}; ` +
      `mean half width ${(100 * meanOf(widths)).toFixed(1)}%; truth ${truth.toFixed(2)} ms`,
  );
  expect(held.total / TRUTHS).toBeGreaterThanOrEqual(0.92);
  expect(held.total / TRUTHS).toBeLessThanOrEqual(0.98);
  expect(held.simulation / TRUTHS).toBeLessThan(0.8);
}, 600_000);
