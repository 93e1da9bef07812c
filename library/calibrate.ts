/** `calibrate`: the times of real models and of messages, measured on this machine. */
import { type Calibration, calibrate as measure } from "../calibration/calibrate.ts";
import type { ContentsSource } from "../calibration/contents.ts";
import { Fault } from "../core/fault.ts";
import type { Watch } from "./follow.ts";
import { inputsOf, inventoryFor, type Scenario } from "./scenario.ts";

export interface CalibrateOptions extends Watch, ContentsSource {
  /** Go on until the mean's 95% half width is below this share of it. Default: 0.02. */
  readonly precision?: number;
  /** Bound on the measurement of service times, s in all. Default: 60. */
  readonly maxSeconds?: number;
  /** Bound on the pilot run of the pipeline, s. Default: none. */
  readonly maxPilotSeconds?: number;
  /** Inventory file: where models run. Default: on this machine. */
  readonly on?: string;
}

/** Contention is measured up to this many busy replicas of one machine. */
const CONTENTION_LEVELS = 4;

/**
 * Measures the real models of a scenario and the cost of messages on this machine: profiles by model, and the overhead profile; `scenario(…, { files })` takes them. Progress counts
 * measurements that are precise enough. Throws Fault("invalid-input") where no model has an implementation,
 * Fault("usage") for a precision that is no share.
 */
export async function calibrate(
  loaded: Scenario,
  options: CalibrateOptions = {},
): Promise<Calibration> {
  const { precision = 0.02, maxSeconds = 60, maxPilotSeconds, images, inputs } = options;
  if (!(precision > 0 && precision < 1)) {
    throw new Fault("usage", `the precision is a share such as 0.02, got ${precision}`);
  }
  const { document, own } = loaded;
  if (Object.values(document.models).every(({ implementation }) => implementation === undefined)) {
    throw new Fault("invalid-input", `no model of ${loaded.file} names an implementation`, {
      hint: "give models.<name>.implementation, e.g. { name: ssd-mobilenet-v2 }",
    });
  }
  options.signal?.throwIfAborted();
  const inventory = inventoryFor(options.on, [document]);
  return measure(document, {
    ...{ source: { images, inputs }, folder: inputsOf(loaded).folder, own, inventory },
    ...{ precision, maxSeconds, maxPilotSeconds, contentionLevels: CONTENTION_LEVELS },
    date: new Date().toISOString(),
    onStep: (step) => {
      options.onNote?.(step);
      options.signal?.throwIfAborted();
    },
    onProgress: (done, total) => {
      options.onProgress?.({ done, total });
      options.signal?.throwIfAborted();
    },
  });
}
