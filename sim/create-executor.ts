/** Chooses the executor that a run needs: terms that cost nothing are not simulated. */
import type { ClusterDriver } from "../core/dispatch/driver.ts";
import { DeviceExecutor } from "./executors/device-executor.ts";
import { AbortableExecutor, DirectEntrance, DirectExecutor } from "./executors/direct-executor.ts";
import type { Entrance, Executor } from "./executors/executor.ts";
import { hasMessageTerms, StagedExecutor } from "./executors/staged-executor.ts";
import { hasDeviceTerms } from "./stations/device-stations.ts";
import { type ExecutedRun, isUnsteady, UnsteadyExecutor } from "./unsteady/unsteady-executor.ts";

/** The end of each chain: where requests enter, and where batches run. */
export interface ChainEnds {
  readonly entrance: Entrance;
  readonly executor: Executor;
  /** Null where no controller changes the cluster. */
  readonly cluster: ClusterDriver | null;
}

export function createExecutor(run: ExecutedRun): ChainEnds {
  const { dispatcher, scheduler, recorder, seed } = run;
  const { system } = dispatcher;
  const changes = isUnsteady(system, scheduler);
  const hasWindows = scheduler.controllers?.some(({ windows }) => windows === true) ?? false;
  if (hasMessageTerms(system)) {
    const staged = new StagedExecutor(dispatcher, recorder, seed, hasWindows);
    return endsOf(staged.gateways, changes ? new UnsteadyExecutor(run, staged) : staged);
  }
  const entrance = new DirectEntrance(dispatcher);
  const hasDevices = hasDeviceTerms(system) || hasWindows;
  const devices = hasDevices ? new DeviceExecutor(dispatcher, recorder, hasWindows) : null;
  if (!changes) return endsOf(entrance, devices ?? new DirectExecutor(dispatcher, recorder));
  const inner = devices ?? new AbortableExecutor(dispatcher, recorder);
  return endsOf(entrance, new UnsteadyExecutor(run, inner));
}

function endsOf(entrance: Entrance, executor: Executor): ChainEnds {
  return { entrance, executor, cluster: executor instanceof UnsteadyExecutor ? executor : null };
}
