/** All configurations × replications of a scenario, in parallel, with progress and resumption. */

import { COMPARED_METRICS } from "../core/comparison/compare.ts";
import type { ConfigurationResult } from "../core/results.ts";
import type { Configuration } from "../core/scenario/sweep.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import { type BlockRunner, blockRunner } from "./block-runner.ts";
import { configurationResult, type Kept, keptReplications } from "./configuration-result.ts";
import type { ResultStore } from "./result-store.ts";
import type { BlockResult, Detail } from "./simulate-configuration.ts";

export interface SweepRun {
  readonly configurations: readonly Configuration[];
  readonly inputs: SimulationInputs;
  readonly threads: number;
  readonly store?: ResultStore;
  /** Called whenever a configuration is finished, with how many are. */
  readonly onProgress?: (finished: number) => void;
  /** Once aborted, no new work is started; what is finished is returned. */
  readonly signal?: AbortSignal;
}

/** Latency curves and Gantt bars are kept for sweeps of at most so many configurations. */
const DETAILED_CONFIGURATIONS = 100;
const GANTT_BARS = 240;

/** Results in the order of the configurations; fewer than all only when the signal was aborted. */
export async function runSweep(sweep: SweepRun): Promise<ConfigurationResult[]> {
  const { configurations, inputs, threads, store, signal } = sweep;
  const detailed = configurations.length <= DETAILED_CONFIGURATIONS;
  const metrics = COMPARED_METRICS;
  const kept = {
    metrics,
    replications: keptReplications(configurations.length, metrics.length),
  };
  const results = configurations.map(({ id }) => store?.finished.get(id));
  let finished = results.filter((result) => result !== undefined).length;
  sweep.onProgress?.(finished);
  const runner = await blockRunner(inputs, threads);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < configurations.length && signal?.aborted !== true) {
      const at = next++;
      if (results[at] !== undefined) continue;
      const detail = { curve: detailed, ganttBars: at === 0 ? GANTT_BARS : 0 };
      const result = await runConfiguration(configurations[at], runner, { detail, kept, threads });
      results[at] = result;
      store?.add(result);
      sweep.onProgress?.(++finished);
    }
  };
  try {
    // Two lanes a thread keep every thread busy while results are gathered.
    const lanes = threads <= 1 ? 1 : threads * 2;
    await Promise.all(Array.from({ length: lanes }, lane));
  } finally {
    await runner.close();
  }
  return results.filter((result) => result !== undefined);
}

/** Replications are spread over the threads only as far as that makes blocks of useful size. */
async function runConfiguration(
  configuration: Configuration,
  runner: BlockRunner,
  { detail, kept, threads }: { detail: Detail; kept: Kept; threads: number },
): Promise<ConfigurationResult> {
  const { document } = configuration;
  const { replications } = document.run;
  const size = threads <= 1 ? 1 : Math.ceil(replications / threads);
  const blocks: Promise<BlockResult>[] = [];
  for (let first = 0; first < replications; first += size) {
    const end = Math.min(replications, first + size);
    blocks.push(runner.run({ document, detail, first, end }));
  }
  return configurationResult(configuration, await Promise.all(blocks), kept);
}
