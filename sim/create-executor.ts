/** Chooses the executor that a run needs: terms that cost nothing are not simulated. */
import { DeviceExecutor } from "./executors/device-executor.ts";
import { AbortableExecutor, DirectEntrance, DirectExecutor } from "./executors/direct-executor.ts";
import type { Entrance, Executor } from "./executors/executor.ts";
import { hasMessageTerms, StagedExecutor } from "./executors/staged-executor.ts";
import { hasDeviceTerms } from "./stations/device-stations.ts";
import { type ExecutedRun, isUnsteady, UnsteadyExecutor } from "./unsteady/unsteady-executor.ts";

/** The end of each chain: where requests enter, and where batches run. */
export function createExecutor(run: ExecutedRun): { entrance: Entrance; executor: Executor } {
  const { dispatcher, scheduler, recorder, seed } = run;
  const { system } = dispatcher;
  const changes = isUnsteady(system, scheduler);
  if (hasMessageTerms(system)) {
    const staged = new StagedExecutor(dispatcher, recorder, seed);
    const executor = changes ? new UnsteadyExecutor(run, staged) : staged;
    return { entrance: staged.gateways, executor };
  }
  const entrance = new DirectEntrance(dispatcher);
  const devices = hasDeviceTerms(system) ? new DeviceExecutor(dispatcher, recorder) : null;
  if (changes) {
    const inner = devices ?? new AbortableExecutor(dispatcher, recorder);
    return { entrance, executor: new UnsteadyExecutor(run, inner) };
  }
  return { entrance, executor: devices ?? new DirectExecutor(dispatcher, recorder) };
}
