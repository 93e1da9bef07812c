/** The executor that a run needs, and no more: what costs nothing is not simulated. */
import type { ArrivalSource } from "../core/arrivals/source.ts";
import type { Dispatcher } from "../core/dispatch/dispatcher.ts";
import type { Scheduler } from "../core/dispatch/policies.ts";
import type { RunRecorder } from "../core/metrics/recorder.ts";
import { DeviceExecutor } from "./device-executor.ts";
import { DirectExecutor } from "./direct-executor.ts";
import type { Answers, Executor, SteadyExecutor } from "./executor.ts";
import { hasMessageTerms, StagedExecutor } from "./staged-executor.ts";
import { hasDeviceTerms } from "./stations/device-stations.ts";
import { AbortableExecutor } from "./unsteady/abortable-executor.ts";
import { isUnsteady, UnsteadyExecutor } from "./unsteady/unsteady-executor.ts";

export interface ExecutedRun {
  readonly dispatcher: Dispatcher;
  readonly scheduler: Scheduler;
  readonly recorder: RunRecorder;
  readonly arrivals: ArrivalSource;
  readonly seed: string;
}

export function createExecutor(run: ExecutedRun): Executor {
  const { dispatcher, scheduler, recorder } = run;
  const { system } = dispatcher;
  if (isUnsteady(system, scheduler)) {
    return new UnsteadyExecutor(
      run,
      (answers) => withTerms(run, answers) ?? new AbortableExecutor(dispatcher, recorder, answers),
    );
  }
  return withTerms(run, dispatcher) ?? new DirectExecutor(system, dispatcher, recorder);
}

/** Null when service times are all there is. */
function withTerms(
  { dispatcher, recorder, seed }: ExecutedRun,
  answers: Answers,
): SteadyExecutor | null {
  const { system } = dispatcher;
  if (hasMessageTerms(system)) return new StagedExecutor(dispatcher, recorder, seed, answers);
  if (hasDeviceTerms(system)) return new DeviceExecutor(dispatcher, recorder, answers);
  return null;
}
