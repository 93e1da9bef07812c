/**
 * Stands in for a device that is not here: waits the time that a measured profile (or an assumed
 * distribution) gives for the batch, on the precise timer, and reports the time that really was.
 */
import { Sampler } from "../../core/random/sampler.ts";
import type { ReplicaSystem } from "../../core/system.ts";
import { monotonicUs } from "../time/monotonic.ts";
import type { PreciseTimer } from "../time/precise-timer.ts";
import type { Backend, Batch, BatchResult, JobResult } from "./backend.ts";

/** How long a batch waits at most while the deployment warms up: long enough for its alarm to ring. */
const WARM_UP_US = 2000;
const OUTPUT: JobResult = { text: Buffer.from('{"labels":[],"value":null}'), tensors: [] };

export function replayBackend(
  replica: ReplicaSystem,
  options: { seed: string; timeScale: number; timer: PreciseTimer },
): Backend {
  const { service } = replica;
  const { seed, timeScale, timer } = options;
  const own = new Sampler(service.shape, seed, `service/${replica.name}`);
  return {
    inputs: null,
    outputs: null,
    provenance: null,
    cost: { loadMs: 0, memoryBytes: 0 },
    async run(batch: Batch): Promise<BatchResult> {
      const startUs = monotonicUs();
      const variate = batch.variate ?? (batch.warmUp ? 0 : own.next());
      const sampledUs = service.sampleUs(variate, batch.jobs.length);
      const serviceUs = batch.warmUp ? Math.min(sampledUs, WARM_UP_US / timeScale) : sampledUs;
      const endUs = await timer.until(startUs + serviceUs * timeScale);
      return {
        outputs: new Array<JobResult>(batch.jobs.length).fill(OUTPUT),
        serviceUs: endUs - startUs,
      };
    },
    close: async () => undefined,
  };
}
