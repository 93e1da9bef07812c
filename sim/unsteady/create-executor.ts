/** Chooses the executor that a run needs, and lets a cluster change while batches run. */
import type { ArrivalSource } from "../../engine/arrivals/sources.ts";
import { WinnerTree } from "../../engine/basics/priority-queues.ts";
import type { Dispatcher } from "../../engine/dispatch/dispatcher.ts";
import type { ClusterDriver } from "../../engine/dispatch/driver.ts";
import type { Scheduler } from "../../engine/dispatch/policies.ts";
import { ReplicaMeter } from "../../engine/metrics/meters.ts";
import type { RunRecorder } from "../../engine/metrics/recorder.ts";
import { Sampler } from "../../engine/random/sampler.ts";
import { ProvisioningDelays } from "../../engine/requests/draws.ts";
import { hasDeviceTerms } from "../../engine/stations/device-stations.ts";
import type { Iterating } from "../../engine/stations/iterations.ts";
import type { ModelMemory } from "../../engine/stations/model-memory.ts";
import type { FaultCause, FaultSystem } from "../../engine/system/faults.ts";
import type { System } from "../../engine/system/system.ts";
import {
  gapOf,
  type PlanProblem,
  planFor,
} from "../../schedulers/systems/accuracy-scaling/plan.ts";
import {
  DirectEntrance,
  DirectExecutor,
  type Entrance,
  type Executor,
  type SteadyExecutor,
} from "../executors/executor.ts";
import { hasMessageTerms, StagedExecutor } from "../executors/staged-executor.ts";
import { type Disturbance, ReplicaFleet } from "./replica-fleet.ts";

const NONE = -1;

interface ExecutedRun {
  readonly dispatcher: Dispatcher;
  readonly scheduler: Scheduler;
  readonly recorder: RunRecorder;
  readonly arrivals: ArrivalSource;
  readonly seed: string;
  /** Null without language models. */
  readonly iterating: Iterating | null;
}

/**
 * The ends of both chains: where requests enter, and where batches run. Terms that cost nothing are not
 * simulated. `cluster`: carries out what controllers change.
 */
export function createExecutor(run: ExecutedRun): {
  readonly entrance: Entrance;
  readonly executor: Executor;
  readonly cluster: ClusterDriver | null;
} {
  const { dispatcher, scheduler, recorder, seed, iterating } = run;
  const { system } = dispatcher;
  const hasWindows = scheduler.controllers?.some(({ windows }) => windows === true) ?? false;
  const isStaged = hasMessageTerms(system) || hasDeviceTerms(system) || hasWindows;
  const staged = isStaged
    ? new StagedExecutor(dispatcher, recorder, seed, hasWindows, iterating)
    : null;
  const entrance = staged?.messages?.gateways ?? new DirectEntrance(dispatcher);
  if (!isUnsteady(system, scheduler)) {
    const executor = staged ?? new DirectExecutor(dispatcher, recorder);
    return { entrance, executor, cluster: null };
  }
  const finishes = new WinnerTree(system.replicas.length);
  const executor = new UnsteadyExecutor(
    run,
    staged ?? new DirectExecutor(dispatcher, recorder, finishes),
  );
  return { entrance, executor, cluster: executor.cluster };
}

/** Whether the cluster of a run can change, or batches be stopped, while it goes on. */
function isUnsteady({ faults }: System, { controllers = [] }: Scheduler): boolean {
  const acts = controllers.some(
    ({ scales = [], preempts, loads, windows }) =>
      scales.length > 0 || preempts === true || loads === true || windows === true,
  );
  return faults !== null || acts;
}

/** An executor for a cluster that changes while it runs: lets the changes happen in between. */
class UnsteadyExecutor implements Executor {
  readonly #run: ExecutedRun;
  readonly #inner: SteadyExecutor;
  readonly cluster: ClusterDriver;
  readonly #fleet: ReplicaFleet;
  readonly #disturbances: readonly Disturbance[];

  /** `inner` is the executor of a steady cluster. */
  constructor(run: ExecutedRun, inner: SteadyExecutor) {
    this.#run = run;
    this.#inner = inner;
    const { dispatcher, scheduler, recorder, seed } = run;
    const { faults } = dispatcher.system;
    const meter = new ReplicaMeter(dispatcher.system, recorder, dispatcher.retries);
    recorder.replicas = meter;
    const fleet = new ReplicaFleet(
      dispatcher,
      inner,
      meter,
      faults?.detection ?? null,
      run.iterating?.torn ?? null,
    );
    this.#fleet = fleet;
    const scaling = scalingDriver(dispatcher.system, fleet, meter, seed);
    const solver = problemSolver(dispatcher, recorder.planGaps);
    this.cluster = {
      order: scaling.order,
      release: scaling.release,
      abort: (replica, nowUs) => fleet.abort(replica, nowUs),
      load: (slot, model, nowUs) => inner.memory?.load(slot, model, nowUs),
      evict: (slot, model, nowUs) => inner.memory?.evict(slot, model, nowUs),
      ask: solver.ask,
      window: (replica, window) => inner.windows?.set(replica, window),
    };
    const loads = scheduler.controllers?.some((one) => one.loads === true) ?? false;
    this.#disturbances = [
      fleet,
      ...(faults === null ? [] : [new FaultDriver(dispatcher, faults, fleet, meter, seed)]),
      scaling,
      solver,
      ...(loads && inner.memory !== null ? [memoryReports(dispatcher, inner.memory)] : []),
    ];
  }

  /** The cluster goes on changing only as long as there is or will be a request to notice. */
  nextUs(): number {
    const innerUs = this.#inner.nextUs();
    let ownUs = Number.POSITIVE_INFINITY;
    for (const disturbance of this.#disturbances) ownUs = Math.min(ownUs, disturbance.nextUs());
    if (innerUs <= ownUs) return innerUs;
    const over =
      innerUs === Number.POSITIVE_INFINITY &&
      this.#run.recorder.inSystem === 0 &&
      this.#run.arrivals.nextUs === Number.POSITIVE_INFINITY;
    return over ? innerUs : ownUs;
  }

  /** At one instant: what finishes, is noticed, breaks or is repaired, is scaled. */
  fire(nowUs: number): number {
    if (this.#inner.nextUs() === nowUs) {
      const replica = this.#inner.fire(nowUs);
      if (replica !== NONE) this.#fleet.finish(replica, nowUs);
    } else {
      this.#disturbances.find((disturbance) => disturbance.nextUs() === nowUs)?.fire(nowUs);
    }
    return NONE;
  }

  start(replica: number, nowUs: number, variate: number): void {
    this.#fleet.start(replica, nowUs, variate);
  }

  settle(nowUs: number): void {
    for (const disturbance of this.#disturbances) disturbance.settle(nowUs);
    this.#inner.settle(nowUs);
  }
}

/** Tells the dispatcher of loads and evictions, at the end of their instant. */
function memoryReports(dispatcher: Dispatcher, memory: ModelMemory): Disturbance {
  let dueUs = Number.POSITIVE_INFINITY;
  memory.reporting = true;
  return {
    nextUs: () => dueUs,
    fire: (nowUs) => {
      dueUs = Number.POSITIVE_INFINITY;
      for (const { slot, model, state } of memory.reports.splice(0)) {
        dispatcher.residency(slot, model, state, nowUs);
      }
    },
    settle: (nowUs) => {
      if (memory.reports.length > 0) dueUs = nowUs;
    },
  };
}

/** Solves problems of controllers within their instants, which it takes for the time that a solver needs. */
function problemSolver(dispatcher: Dispatcher, gaps: (number | null)[]) {
  const asked = new Map<number, { readonly problem: PlanProblem; readonly atUs: number }>();
  let nextUs = Number.POSITIVE_INFINITY;
  const look = (): void => {
    nextUs = Math.min(Number.POSITIVE_INFINITY, ...[...asked.values()].map(({ atUs }) => atUs));
  };
  return {
    nextUs: () => nextUs,
    fire: (nowUs: number): void => {
      for (const [controller, { problem, atUs }] of asked) {
        if (atUs > nowUs) continue;
        asked.delete(controller);
        const solution = planFor(problem);
        gaps.push(gapOf(problem, solution));
        dispatcher.solved(controller, solution, nowUs);
      }
      look();
    },
    settle: () => undefined,
    ask: (controller: number, problem: unknown, atUs: number): void => {
      asked.set(controller, { problem: problem as PlanProblem, atUs });
      look();
    },
  };
}

/** Carries out orders and releases in virtual time: an ordered replica is up after a drawn delay. */
function scalingDriver(system: System, fleet: ReplicaFleet, meter: ReplicaMeter, seed: string) {
  const delays = new ProvisioningDelays(system, seed);
  /** When each replica that was ordered is up. */
  const ready = new WinnerTree(system.replicas.length);
  return {
    nextUs: () => ready.least(),
    fire: (nowUs: number): void => {
      const replica = ready.take();
      meter.ready(replica, true, nowUs);
      fleet.enlist(replica, nowUs);
    },
    settle: () => undefined,
    order: (replica: number, nowUs: number): void => {
      meter.paid(replica, true, nowUs);
      ready.set(replica, nowUs + delays.nextUs(replica));
    },
    release: (replica: number, nowUs: number): void => {
      const isOrdered = ready.key[replica] < Number.POSITIVE_INFINITY;
      ready.set(replica, Number.POSITIVE_INFINITY);
      if (isOrdered) fleet.left(replica, nowUs);
      else fleet.dismiss(replica, nowUs);
    },
  };
}

/** Faults of one run that are timed at once; of more, the first. */
const MAX_WOUNDS = 100;

/** A fault that the system has not recovered from. */
interface Wound {
  readonly cause: FaultCause;
  readonly sinceUs: number;
  /** Requests in the system when it began. */
  readonly inSystem: number;
  over: boolean;
}

/** A cause, whether its fault lasts now, and the time until it begins or ends next, µs. */
interface CauseState {
  readonly cause: FaultCause;
  readonly nextUs: (lasts: boolean) => number;
  lasts: boolean;
}

/** Lets the faults of a scenario strike the fleet, and times how long the system is hurt. */
class FaultDriver implements Disturbance {
  readonly #dispatcher: Dispatcher;
  readonly #faults: FaultSystem;
  readonly #fleet: ReplicaFleet;
  readonly #meter: ReplicaMeter;
  readonly #causes: readonly CauseState[];
  /** By cause: when its fault begins or ends. */
  readonly #due: WinnerTree;
  /** By replica: factors of the causes that slow it at this instant. */
  readonly #factors: (readonly number[])[];
  #wounds: Wound[] = [];

  constructor(
    dispatcher: Dispatcher,
    faults: FaultSystem,
    fleet: ReplicaFleet,
    meter: ReplicaMeter,
    seed: string,
  ) {
    this.#dispatcher = dispatcher;
    this.#faults = faults;
    this.#fleet = fleet;
    this.#meter = meter;
    const { causes, slowable } = faults;
    this.#factors = dispatcher.system.replicas.map(() => []);
    for (const service of slowable.values()) service.slowdown = 1;
    this.#causes = causes.map((cause) => ({ cause, nextUs: timesOf(cause, seed), lasts: false }));
    this.#due = new WinnerTree(causes.length);
    this.#causes.forEach(({ cause: { timing }, nextUs }, index) => {
      this.#due.set(index, timing.kind === "once" ? timing.atUs : nextUs(false));
    });
  }

  nextUs(): number {
    return this.#due.least();
  }

  fire(nowUs: number): void {
    const index = this.#due.take();
    const state = this.#causes[index];
    state.lasts = !state.lasts;
    this.#due.set(index, nowUs + state.nextUs(state.lasts));
    if (state.lasts) this.#begin(state.cause, nowUs);
    else this.#end(state.cause, nowUs);
  }

  settle(nowUs: number): void {
    if (this.#wounds.length === 0) return;
    const { inSystem } = this.#dispatcher;
    this.#wounds = this.#wounds.filter((wound) => {
      if (!wound.over || inSystem > wound.inSystem) return true;
      this.#meter.recovered(nowUs - wound.sinceUs);
      return false;
    });
  }

  #begin(cause: FaultCause, nowUs: number): void {
    const { inSystem } = this.#dispatcher;
    if (this.#wounds.length < MAX_WOUNDS) {
      this.#wounds.push({ cause, sinceUs: nowUs, inSystem, over: false });
    }
    for (const replica of cause.replicas) {
      if (cause.kind === "crash") this.#fleet.crash(replica, nowUs);
      else if (cause.kind === "partition") this.#fleet.cutOff(replica, nowUs);
      else this.#slow(replica, [...this.#factors[replica], cause.factor]);
    }
  }

  #end(cause: FaultCause, nowUs: number): void {
    for (const wound of this.#wounds) if (wound.cause === cause) wound.over = true;
    for (const replica of cause.replicas) {
      const factors = this.#factors[replica];
      if (cause.kind === "crash") this.#fleet.repair(replica, nowUs);
      else if (cause.kind === "partition") this.#fleet.reconnect(replica, nowUs);
      else this.#slow(replica, factors.toSpliced(factors.indexOf(cause.factor), 1));
    }
  }

  #slow(replica: number, factors: readonly number[]): void {
    this.#factors[replica] = factors;
    const service = this.#faults.slowable.get(replica);
    if (service !== undefined) service.slowdown = factors.reduce((product, f) => product * f, 1);
  }
}

/** Each cause draws from streams of its own; a renewal takes at least 1 µs, so that time goes on. */
function timesOf({ timing, name }: FaultCause, seed: string): CauseState["nextUs"] {
  if (timing.kind === "once") return (lasts) => (lasts ? timing.forUs : Number.POSITIVE_INFINITY);
  const up = new Sampler(timing.up, seed, `${name}/up`);
  const down = new Sampler(timing.down, seed, `${name}/down`);
  return (lasts) => {
    const us = lasts ? timing.downUs * down.next() : timing.upUs * up.next();
    return Math.max(1, Math.round(us));
  };
}
