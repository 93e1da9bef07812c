/** Chooses the executor that a run needs: terms that cost nothing are not simulated. */
import type { ClusterDriver } from "../core/dispatch/driver.ts";
import { WinnerTree } from "../core/winner-tree.ts";
import { DirectEntrance, DirectExecutor } from "./executors/direct-executor.ts";
import type { Entrance, Executor } from "./executors/executor.ts";
import { hasMessageTerms, StagedExecutor } from "./executors/staged-executor.ts";
import { hasDeviceTerms } from "./stations/device-stations.ts";
import { type ExecutedRun, isUnsteady, UnsteadyExecutor } from "./unsteady/unsteady-executor.ts";

/** The end of each chain: where requests enter, and where batches run. `cluster`: what controllers change. */
export function createExecutor(run: ExecutedRun): {
  readonly entrance: Entrance;
  readonly executor: Executor;
  readonly cluster: ClusterDriver | null;
} {
  const { dispatcher, scheduler, recorder, seed } = run;
  const { system } = dispatcher;
  const hasWindows = scheduler.controllers?.some(({ windows }) => windows === true) ?? false;
  const isStaged = hasMessageTerms(system) || hasDeviceTerms(system) || hasWindows;
  const staged = isStaged ? new StagedExecutor(dispatcher, recorder, seed, hasWindows) : null;
  const entrance = staged?.messages?.gateways ?? new DirectEntrance(dispatcher);
  if (!isUnsteady(system, scheduler)) {
    const executor = staged ?? new DirectExecutor(dispatcher, recorder);
    return { entrance, executor, cluster: null };
  }
  const finishes = new WinnerTree(system.replicas.length);
  const inner = staged ?? new DirectExecutor(dispatcher, recorder, finishes);
  const unsteady = new UnsteadyExecutor(run, inner);
  return { entrance, executor: unsteady, cluster: unsteady.cluster };
}
