/**
 * The scenarios of this repository, ready to run. Times that `calibrate` would measure are written
 * here, so that a run depends on no machine.
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expandSweep } from "../scenario/expand-sweep.test-support.ts";
import { parseScenario } from "../scenario/parse.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { type SimulationInputs, servingCapacity } from "./replication.ts";

const FOLDER = join(import.meta.dirname, "../scenarios");

export interface ShippedScenario {
  /** Path below scenarios/. */
  readonly file: string;
  readonly configurations: readonly { readonly id: string; readonly document: ScenarioDocument }[];
  readonly inputs: SimulationInputs;
}

export function shippedScenarios(): ShippedScenario[] {
  return readdirSync(FOLDER, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".yaml"))
    .sort()
    .map((file) => {
      const path = join(FOLDER, file);
      const options = { checkScheduler, requireTimes: true, capacityOf: servingCapacity };
      const loaded = parseScenario(readFileSync(path, "utf8"), path, read, {}, options);
      const { profiles, stepProfiles, overheadProfile, traces, traceColumns } = loaded;
      const configurations = expandSweep(loaded).map(({ id, document }) => ({ id, document }));
      const inputs = { profiles, stepProfiles, overheadProfile, traces, traceColumns };
      return { file, configurations, inputs };
    });
}

const provenance = {
  kind: "imported",
  model: "any",
  device: "any",
  host: "any",
  runtime: "any",
  date: "any",
};

function profile(...quantilesMs: number[]): unknown {
  const quantilesUs = quantilesMs.map((ms) => ms * 1000);
  const meanUs = quantilesUs.reduce((sum, us) => sum + us, 0) / quantilesUs.length;
  const batches = [{ batch: 1, samples: 100, meanUs, halfWidth95Us: 0, quantilesUs }];
  return { schema: "tandem/profile@1", provenance, batches };
}

/** Profiles as `calibrate` would write them, by file name. */
export const calibratedFiles: Readonly<Record<string, unknown>> = {
  "detector.json": profile(70, 75, 80, 95),
  "plate-reader.json": profile(35, 40, 45, 60),
  "overheads.json": {
    schema: "tandem/overhead@1",
    provenance,
    clientRoundTripUs: [400, 500, 700],
    workerRoundTripUs: [250, 300, 450],
    gateway: { arrivalUs: 60, dispatchUs: 80, completionUs: 50 },
    contention: [1, 1.1, 1.6],
  },
};

function read(path: string): string {
  const calibrated = calibratedFiles[basename(path)];
  return calibrated === undefined ? readFileSync(path, "utf8") : JSON.stringify(calibrated);
}
