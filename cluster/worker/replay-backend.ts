/**
 * Stands in for a device that is not here: waits the time that a measured profile (or an assumed
 * distribution) gives for the batch, on the precise timer, and reports the time that really was.
 */
import { Sampler } from "../../core/random/sampler.ts";
import type { ReplicaSystem } from "../../core/system.ts";
import { monotonicUs } from "../monotonic.ts";
import type { PreciseTimer } from "../precise-timer.ts";
import type { Backend, Batch, BatchResult } from "./backend.ts";

const OUTPUT = Buffer.from('{"labels":[],"value":null}');

export function replayBackend(
  replica: ReplicaSystem,
  options: { seed: string; timeScale: number; timer: PreciseTimer },
): Backend {
  const { service } = replica;
  const own = new Sampler(service.shape, options.seed, `service/${replica.name}`);
  return {
    platform: "tandem_replay",
    async run(batch: Batch): Promise<BatchResult> {
      const startUs = monotonicUs();
      const variate = batch.variate ?? (batch.warmUp ? 0 : own.next());
      const sampledUs = service.sampleUs(variate, batch.size);
      const serviceUs = batch.warmUp ? 0 : sampledUs;
      const endUs = await options.timer.until(startUs + serviceUs * options.timeScale);
      return {
        outputs: new Array<Uint8Array>(batch.size).fill(OUTPUT),
        serviceUs: endUs - startUs,
      };
    },
    close: async () => undefined,
  };
}
