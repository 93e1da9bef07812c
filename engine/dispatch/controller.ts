/**
 * Controllers: the part of a scheduler that hears events and gives commands. Rules (`policies.ts`)
 * decide about one queue or one job and are compiled into the dispatcher's loop; a controller keeps
 * state of its own, sees the whole cluster, and is called at three moments only: when the run
 * begins, when a timer or an answer of its own is due, and at the end of an instant that brought news.
 *
 *   events ─> arrived · queued · finished · ended · changed · residency · fed      (hear, keep state)
 *   then   ─> begin | woken | solved | decide (view, act)            (read the view, give commands)
 *
 * A controller is deterministic: it may use what it hears, the view, and a named random stream that
 * its definition was given. Every command is in the run log, and a replay gives the same ones.
 */
import type { System } from "../system/system.ts";
import type { Outcome, Prompt, StartWindow } from "./driver.ts";

/** One job, as rules and controllers see it. A cursor: the next call of `job()` moves it. */
export interface JobView {
  /** Its number, by which commands name it; another job's once its request has ended. */
  readonly job: number;
  /** Its request's number; another request's once this one has ended. */
  readonly request: number;
  /** The request's pipeline, by its index in `system.pipelines`. */
  readonly pipeline: number;
  /** The task's number in its pipeline. */
  readonly task: number;
  /** When its request arrived, µs since the start of the run. */
  readonly arrivedUs: number;
  /** When its inputs were ready. */
  readonly enteredUs: number;
  /** When its request has to be answered; Infinity without a deadline. */
  readonly deadlineUs: number;
  /** Its pipeline's; a higher one goes first under the ordering `priority`. */
  readonly priority: number;
  /** Size of the request's input, in the unit of the models' scaling; NaN where nobody knows it. */
  readonly inputSize: number;
  /** The prompt of a language model's job; null for other jobs, and where nobody knows it. */
  readonly prompt: Prompt | null;
}

/** A queue, as batching rules and controllers see it. A cursor like `JobView`. */
export interface QueueView {
  /** Jobs that wait in it. */
  readonly length: number;
  /** When the job that has waited longest entered; only where there is one. */
  readonly oldestUs: number;
  /** The job that is served next, by the queue's ordering; only where there is one. */
  readonly next: JobView;
}

/** `absent`: no such replica has joined yet. Only one that is `off` can be ordered. */
export type Standing = "absent" | "off" | "ordered" | "leaving";

/** Everything here is known to a gateway. Ids are the system's. Each answer is O(1) unless it says so. */
export interface ClusterView {
  /** The compiled scenario: pipelines, pools, replicas, nodes, devices and models, by id. */
  readonly system: System;
  /** The time of this turn, µs since the start of the run. */
  readonly nowUs: number;

  // Jobs wait in the queue of a pool, from which controllers place them, or of a replica.
  /** The pool's shared queue: jobs of a controller's pools wait there until they are placed. */
  queue(pool: number): QueueView;
  /** Its jobs in order of entry. O(length). */
  jobsIn(pool: number): readonly number[];
  /** The queue of one replica. */
  queueAt(replica: number): QueueView;
  /** A job that waits or runs. */
  job(job: number): JobView;
  /** The job of a task of a request that has not ended. */
  jobOf(request: number, task: number): number;
  /** Whether a job waits in some queue: it can be placed or dropped. */
  isWaiting(job: number): boolean;

  // A replica takes a batch while it is up, idle, and fits.
  /** Whether it takes batches: it has started, is not given up, and does not leave. */
  isUp(replica: number): boolean;
  /** Whether its node has what a batch on it demands. O(resources). */
  fits(replica: number): boolean;
  /** Jobs in its batch; 0: it is idle. */
  running(replica: number): number;
  /** Those jobs. O(batch). */
  jobsOn(replica: number): readonly number[];
  /** When its batch started. */
  startedUs(replica: number): number;
  /** When its batch is expected to end; now where it is idle. */
  freeUs(replica: number): number;
  /** Mean service time of a batch of that size, by the profile. */
  expectedUs(replica: number, size: number): number;
  /** `ordered`: it serves, or is to; `leaving`: it ends its batch first; `off`: it can be ordered. */
  standing(replica: number): Standing;

  // Pools, nodes and device slots add up what their replicas have.
  /** Busy replicas, and jobs that wait and run, of a pool; draining replicas not. O(replicas). */
  loadOf(pool: number): {
    readonly busy: number;
    readonly waiting: number;
    readonly running: number;
  };
  /** Replicas of a pool that are up. O(replicas). */
  readyOf(pool: number): number;
  /** Replicas of a pool that are up or are to be. O(replicas). */
  orderedOf(pool: number): number;
  /** The free amount of a resource on a node, in `RESOURCE_UNITS`; Infinity: no limit. */
  freeOf(node: number, resource: number): number;
  /** A model on a device slot, as far as commands and reports tell. */
  residency(slot: number, model: number): Residency;
}

export type Residency = "absent" | "loading" | "resident";

/** The end of a batch. */
export interface BatchEnd {
  /** The replica that it ran on, by its index in `system.replicas`. */
  readonly replica: number;
  /** The replica's pool, by its index in `system.pools`. */
  readonly pool: number;
  /** Jobs in it. */
  readonly size: number;
  /** When it started, µs since the start of the run. */
  readonly startedUs: number;
  /** When it ended, µs since the start of the run. */
  readonly nowUs: number;
  /** By the profile, for its size. */
  readonly expectedUs: number;
  /** `cancelled`: its window passed before it could start; its jobs wait again. */
  readonly fate: "ran" | "failed" | "lost" | "preempted" | "cancelled";
}

/** Commands. Each takes effect at once and is logged; a command that cannot be is a bug, and throws. */
export interface Controls {
  // Jobs are placed, dropped, and let in.
  /** Whether workers keep start windows; elsewhere a batch starts on receipt, and none is given. */
  readonly hasWindows: boolean;
  /** Starts waiting jobs of the replica's pool on it; it is up and idle, they fit its batch, and it `fits`. */
  start(replica: number, jobs: readonly number[], window?: StartWindow): void;
  /** Starts the next `size` jobs of its pool's shared queue, by the ordering. */
  startNext(replica: number, size: number, window?: StartWindow): void;
  /** Puts a waiting job into the queue of a replica of its pool, whose batching rule starts it. */
  assign(job: number, replica: number): void;
  /** Ends the request of a waiting job as dropped. */
  drop(job: number): void;
  /**
   * A join starts with the predecessors that have run, and true; or, as none has, with the first that
   * will. `imputes`: those that still wait or run end then with imputed answers, and the join has them
   * too; default: it does without. Does nothing where the join has started.
   */
  proceed(request: number, task: number, imputes?: boolean): boolean;
  /** Lets a request in that `waits` kept at the gate. */
  enter(request: number): void;
  /**
   * Takes the batch off a replica; its jobs wait again, in their old places. False: it runs on, as that of a model
   * that is not `stoppable` always does.
   */
  preempt(replica: number): boolean;

  // Replicas come and go, and so do models on device slots.
  /** Orders replicas that are off, the first first, or releases the surplus: those not up, then the last. */
  setReplicas(pool: number, count: number): void;
  /** A replica that is off starts; it is up after its provisioning time. */
  order(replica: number): void;
  /** An ordered replica ends: at once where it is idle or not up yet, else after its batch. */
  release(replica: number): void;
  /** Loads a model onto a device slot; `residency` is heard when it is there. */
  load(slot: number, model: number): void;
  /** Takes a model off a device slot, whose memory it frees. */
  evict(slot: number, model: number): void;

  // Time passes.
  /** `woken(timer)` at `atUs`, in place of the timer's earlier time; Infinity: not any more. */
  wakeAt(timer: number, atUs: number): void;
}

/** Commands of built-in controllers only: each problem has its solver in the code. */
export interface AskingControls extends Controls {
  /**
   * Asks for the solution of a problem, plain data, that takes too long for a turn. `solved` hears it, at `atUs` at the
   * earliest; a later question of the controller replaces this one.
   */
  ask(problem: unknown, atUs: number): void;
}

export interface Controller {
  // It says before the run what it is for, so that dispatcher and driver are prepared.
  /** Pools whose waiting jobs only this controller places; no routing rule does. Default: none. */
  readonly pools?: readonly number[];
  /** Pools whose replicas it orders and releases; default: none. */
  readonly scales?: readonly number[];
  /** Timers are numbered 0 .. timers − 1; default: there are none. */
  readonly timers?: number;
  /** Whether it asks `fits` before a start; without it no model of its pools may have a `demand`. */
  readonly heedsResources?: boolean;
  /** Whether it places models on device slots by itself, so that a slot may host every task. */
  readonly placesModels?: boolean;
  /** Whether it may take batches off replicas. */
  readonly preempts?: boolean;
  /** Whether it may load and evict models. */
  readonly loads?: boolean;
  /** Whether it may give batches start windows. */
  readonly windows?: boolean;
  /** Whether it may let joins proceed before all that they need has run. */
  readonly proceeds?: boolean;
  /** Whether answers may be imputed then. */
  readonly imputes?: boolean;

  // It hears what happens, and gives no commands here.
  /** A request was admitted. True: it waits at the gate until `act.enter`. */
  waits?(request: number, pipeline: number, nowUs: number): boolean;
  /** A request was admitted, and its first jobs are there. */
  arrived?(request: number, pipeline: number, nowUs: number): void;
  /** A job of one of its `pools` waits for a replica, for the first time or again. */
  queued?(job: JobView, pool: number): void;
  /** A batch has left its replica, for whatever reason. */
  finished?(end: BatchEnd): void;
  /** A request has its answer, or none any more. */
  ended?(request: number, outcome: Outcome, nowUs: number): void;
  /** A replica is up, is down, or has left after its release. */
  changed?(replica: number, state: "up" | "down" | "left", nowUs: number): void;
  /** A model's load on a device slot began or ended, or the model is gone. */
  residency?(slot: number, model: number, state: Residency, nowUs: number): void;
  /**
   * Somebody says how wrong a pool's part of an answer was: 0 right, 1 wrong. The request has ended, and
   * its number may be another's by now.
   */
  fed?(request: number, pool: number, loss: number, nowUs: number): void;

  // It reads the view and gives commands.
  /** The run begins, or this scheduler takes over from another: batches may run already. */
  begin?(view: ClusterView, act: Controls): void;
  /** One of its timers is due. Default: it decides. */
  woken?(timer: number, view: ClusterView, act: Controls): void;
  /** For built-in controllers: the solution of the problem that it asked; empty: the solver has failed. */
  solved?(solution: readonly number[], view: ClusterView, act: Controls): void;
  /** The end of an instant with news, before the pools' rules decide. */
  decide?(view: ClusterView, act: Controls): void;
  /** The end of every instant, after all decisions. */
  settled?(view: ClusterView): void;
}
