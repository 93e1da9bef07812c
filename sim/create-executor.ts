/** The executor that a system needs, and no more: what costs nothing is not simulated. */
import type { Dispatcher } from "../core/dispatch/dispatcher.ts";
import type { RunRecorder } from "../core/metrics/recorder.ts";
import { DeviceExecutor } from "./device-executor.ts";
import { DirectExecutor } from "./direct-executor.ts";
import type { Executor } from "./executor.ts";
import { hasMessageTerms, StagedExecutor } from "./staged-executor.ts";
import { hasDeviceTerms } from "./stations/device-stations.ts";

export function createExecutor(
  dispatcher: Dispatcher,
  recorder: RunRecorder,
  seed: string,
): Executor {
  const { system } = dispatcher;
  if (hasMessageTerms(system)) return new StagedExecutor(dispatcher, recorder, seed);
  if (hasDeviceTerms(system)) return new DeviceExecutor(dispatcher, recorder);
  return new DirectExecutor(system, dispatcher, recorder);
}
