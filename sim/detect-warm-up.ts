/**
 * `warmupS: auto`: pilot replications without a warm-up, their latencies averaged batch by batch,
 * truncated by MSER-5. Averaging first takes the noise out of single runs: Hoad, Robinson & Davies,
 * "Automating warm-up length estimation", Journal of the Operational Research Society 61(9), 2010.
 */
import { isSpanned } from "../core/arrivals/extent.ts";
import { type Batches, BatchSeries } from "../core/metrics/one-run.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { mser5 } from "../core/statistics/time-series.ts";
import { replicationSteps, type SimulationInputs } from "./replication.ts";

export interface WarmUp {
  /** To the arrival of the last request that is left out. */
  readonly seconds: number;
  /** False: no steady state shows in the run's first half, so the run is too short. */
  readonly settled: boolean;
}

const MOST_PILOTS = 5;

/** Pilots are the first replications, at most five; results are made of them again, from its end on. */
export function* detectWarmUp(
  document: ScenarioDocument,
  inputs: SimulationInputs,
): Generator<undefined, WarmUp, void> {
  if (!isSpanned(document.workload)) return { seconds: 0, settled: true };
  const workload = { ...document.workload, warmupS: 0 };
  const count = Math.min(MOST_PILOTS, document.run.replications);
  const pilots: Batches[] = [];
  for (let replication = 0; replication < count; replication++) {
    const series = new BatchSeries();
    const latencySink = {
      add: (latencyUs: number, nowUs: number) => series.add(latencyUs, nowUs - latencyUs),
    };
    yield* replicationSteps({ ...document, workload }, inputs, replication, { latencySink });
    pilots.push(series.batches());
  }
  const { means, endsUs } = averaged(pilots);
  const cut = mser5(means);
  if (cut === null) return { seconds: 0, settled: false };
  // The next millisecond: who arrived at that instant is left out as well.
  const seconds = cut.values === 0 ? 0 : (Math.floor(endsUs[cut.values - 1] / 1000) + 1) / 1000;
  return { seconds, settled: cut.settled };
}

/** A scenario whose warm-up is known, and what was found where it was to be found. */
export interface WarmedUp {
  readonly document: ScenarioDocument;
  readonly warmUp?: WarmUp;
}

/** A scenario whose warm-up is to be found, with the one that was; else the scenario as it is. */
export function* withWarmUp(
  document: ScenarioDocument,
  inputs: SimulationInputs,
): Generator<undefined, WarmedUp, void> {
  if (document.workload.warmupS !== "auto") return { document };
  const warmUp = yield* detectWarmUp(document, inputs);
  const workload = { ...document.workload, warmupS: warmUp.seconds };
  return { document: { ...document, workload } as ScenarioDocument, warmUp };
}

/** Batch by batch, all batches as large as the largest; as many as the shortest run has. */
function averaged(pilots: readonly Batches[]): Omit<Batches, "size"> {
  const size = Math.max(...pilots.map((one) => one.size));
  const count = Math.min(...pilots.map((one) => Math.floor((one.means.length * one.size) / size)));
  const means = new Float64Array(count);
  const endsUs = new Float64Array(count);
  for (const pilot of pilots) {
    const together = size / pilot.size;
    for (let batch = 0; batch < count; batch++) {
      const first = batch * together;
      const sum = pilot.means.subarray(first, first + together).reduce((all, one) => all + one, 0);
      means[batch] += sum / together;
      endsUs[batch] += pilot.endsUs[first + together - 1];
    }
  }
  const mean = (sum: number): number => sum / pilots.length;
  return { means: means.map(mean), endsUs: endsUs.map(mean) };
}
