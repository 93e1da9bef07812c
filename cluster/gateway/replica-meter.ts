/** Which replicas a run could use, where that changes: else utilisation is of all there are. */

import type { RunRecorder } from "../../core/metrics/recorder.ts";
import { ReplicaMeter } from "../../core/metrics/replica-meter.ts";
import type { ReplicaLinks } from "./replica-links.ts";
import type { RunOptions } from "./run-options.ts";

/** Null where no replica can be added, and none is switched off. */
export function replicaMeter(
  { system, ownSystem, scheduler }: RunOptions,
  recorder: RunRecorder,
  retries: Float64Array,
  links: ReplicaLinks,
): ReplicaMeter | null {
  const scales = scheduler.controllers?.some((one) => one.scales.length > 0) ?? false;
  if (system === ownSystem && !scales) return null;
  const meter = new ReplicaMeter(system, recorder, retries);
  recorder.replicas = meter;
  links.all.forEach((link, replica) => {
    if (link?.up !== true) meter.ready(replica, false, 0);
  });
  return meter;
}
