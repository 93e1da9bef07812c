/** Service models of assumed distributions and of measured profiles. */
// Hot path: see docs/hot-path.md
import { assert } from "../../engine/basics/fault.ts";
import { listOf } from "../../engine/basics/hot-path.ts";
import { shapeOf } from "../../engine/random/sampler.ts";
import { meanFactors, ServiceModel, VariableService } from "../../engine/service/service.ts";
import type { Profile } from "../schema/profile.ts";
import type { ModelDocument, ServiceDocument, WorkloadDocument } from "../schema/scenario.ts";
import { inPlaceFactor } from "./in-place.ts";
import { type Traces, traceSizesOf } from "./trace-rows.ts";

/** By path as written. */
interface Measured extends Traces {
  readonly profiles: Readonly<Record<string, Profile>>;
}

/** Scaled by the sizes of inputs, where the model depends on them. */
export function serviceOf(
  model: ModelDocument,
  device: string,
  speed: number,
  workload: WorkloadDocument,
  inputs: Measured,
): ServiceModel {
  const service = unscaledService(model, device, speed, inputs);
  if (model.inputScaling === undefined) return service;
  const sizes = traceSizesOf(workload, inputs);
  const factors = meanFactors(model.inputScaling, workload, sizes, service.maxBatch);
  return new VariableService(service, factors);
}

function unscaledService(
  { service, profile }: ModelDocument,
  device: string,
  speed: number,
  { profiles }: Measured,
): ServiceModel {
  if (service !== undefined) return assumedService(service, speed);
  const path = typeof profile === "string" ? profile : profile?.[device];
  const measured = path === undefined ? undefined : profiles[path];
  assert(measured !== undefined, `a checked scenario has a profile for device ${device}`);
  return measuredService(measured, speed);
}

/** The service model of an assumed distribution. `speed` divides every time. */
export function assumedService(document: ServiceDocument, speed: number): ServiceModel {
  const marginal = document.batch?.marginal ?? 1;
  const maxBatch = document.batch?.max ?? 64;
  const grow = (batch: number): number => (1 + marginal * (batch - 1)) / speed;
  if (document.distribution === "empirical") {
    const samples = Float64Array.from(document.samplesMs, (ms) => ms * 1000).sort();
    return fromQuantiles(perBatch(maxBatch, (batch) => samples.map((us) => us * grow(batch))));
  }
  const meanUs = new Float64Array(maxBatch + 1);
  for (let b = 1; b <= maxBatch; b++) meanUs[b] = document.meanMs * 1000 * grow(b);
  return new ServiceModel(shapeOf(document), meanUs, null);
}

/** The service model of a measured profile, in its place in a pipeline; sizes between measured ones are interpolated. */
export function measuredService(profile: Profile, speed: number): ServiceModel {
  const factor = inPlaceFactor(profile);
  const measured = [...profile.batches].sort((a, b) => a.batch - b.batch);
  const maxBatch = measured[measured.length - 1].batch;
  return fromQuantiles(
    perBatch(maxBatch, (batch) => {
      const above = measured.findIndex((entry) => entry.batch >= batch);
      const high = measured[above];
      const low = above > 0 ? measured[above - 1] : high;
      const share = high === low ? 1 : (batch - low.batch) / (high.batch - low.batch);
      return interpolate(low.quantilesUs, high.quantilesUs, share).map(
        (us) => (us * factor) / speed,
      );
    }),
  );
}

function perBatch(maxBatch: number, table: (batch: number) => Float64Array): Float64Array[] {
  return Array.from({ length: maxBatch + 1 }, (_, batch) =>
    batch === 0 ? new Float64Array(0) : table(batch),
  );
}

function fromQuantiles(tables: readonly Float64Array[]): ServiceModel {
  const rounded = listOf(tables, (table) => table.map(Math.round));
  const meanUs = Float64Array.from(tables, (table) =>
    table.length === 0 ? 0 : table.reduce((sum, us) => sum + us, 0) / table.length,
  );
  return new ServiceModel({ kind: "uniform" }, meanUs, rounded);
}

/** Interpolates two quantile functions at equal probabilities, on the finer of the two grids. */
function interpolate(low: readonly number[], high: readonly number[], share: number): Float64Array {
  const size = Math.max(low.length, high.length);
  const at = (table: readonly number[], i: number): number =>
    table[Math.min(table.length - 1, Math.floor(((i + 0.5) / size) * table.length))];
  return Float64Array.from(
    { length: size },
    (_, i) => at(low, i) * (1 - share) + at(high, i) * share,
  );
}
