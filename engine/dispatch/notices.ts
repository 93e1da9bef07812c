/** Tells controllers and batching rules what happens, and keeps what only they need: standings, starts, memory. */
import type { System } from "../system/system.ts";
import type { BatchEnd, Controller, JobView, Residency, Standing } from "./controller.ts";
import type { Outcome } from "./driver.ts";
import type { Scheduler } from "./policies.ts";

export class Notices {
  readonly #system: System;
  readonly controllers: readonly Controller[];
  readonly #scheduler: Scheduler;
  /** Something happened since controllers last decided. */
  news = false;
  /** By replica. */
  readonly standings: Standing[];
  readonly startedUs: Float64Array;
  /** By pool: the controller that places its jobs. */
  readonly placers: readonly (Controller | undefined)[];
  readonly #retiring = new Set<number>();
  readonly #residencies = new Map<string, Residency>();

  constructor(system: System, controllers: readonly Controller[], scheduler: Scheduler) {
    this.#system = system;
    this.controllers = controllers;
    this.#scheduler = scheduler;
    this.standings = system.replicas.map(() => "absent");
    this.startedUs = new Float64Array(system.replicas.length);
    this.placers = system.pools.map((_, pool) =>
      controllers.find(({ pools }) => pools?.includes(pool)),
    );
  }

  /**
   * Goes on after another scheduler; `before` is null where that had no controllers. Nobody knows
   * then when running batches started: they count from now.
   */
  takeOver(before: Notices | null, isUp: (replica: number) => boolean, nowUs: number): void {
    if (before === null) {
      this.startedUs.fill(nowUs);
      this.standings.forEach((_, replica) => {
        if (isUp(replica)) this.standings[replica] = "ordered";
      });
      return;
    }
    before.standings.forEach((standing, replica) => {
      this.standings[replica] = standing;
    });
    this.startedUs.set(before.startedUs);
    for (const [key, residency] of before.#residencies) this.#residencies.set(key, residency);
    for (const replica of before.#retiring) this.#retiring.add(replica);
  }

  /** A request was admitted; true when a controller keeps it at its gate. */
  arrived(request: number, pipeline: number, nowUs: number): boolean {
    let waits = false;
    for (const one of this.controllers) {
      one.arrived?.(request, pipeline, nowUs);
      if (one.waits?.(request, pipeline, nowUs) === true) waits = true;
    }
    this.news = true;
    return waits;
  }

  queued(job: JobView, pool: number): void {
    const placer = this.placers[pool];
    if (placer === undefined) return;
    this.news = true;
    placer.queued?.(job, pool);
  }

  started(replica: number, nowUs: number): void {
    this.startedUs[replica] = nowUs;
  }

  finished(replica: number, size: number, fate: BatchEnd["fate"], nowUs: number): void {
    const { pool, service } = this.#system.replicas[replica];
    const startedUs = this.startedUs[replica];
    const expectedUs = service.meanUs[size];
    const end: BatchEnd = { replica, pool, size, startedUs, nowUs, expectedUs, fate };
    this.news = true;
    const { batching } = this.#scheduler.pools[pool];
    if (batching.kind === "group") batching.ended?.(end);
    for (const one of this.controllers) one.finished?.(end);
  }

  ended(request: number, outcome: Outcome, nowUs: number): void {
    this.news = true;
    for (const one of this.controllers) one.ended?.(request, outcome, nowUs);
  }

  joined(replica: number, nowUs: number): void {
    this.standings[replica] = "ordered";
    this.#retiring.delete(replica);
    this.#changed(replica, "up", nowUs);
  }

  /** A replica that was up gets no more work. */
  down(replica: number, nowUs: number): void {
    this.#changed(replica, "down", nowUs);
  }

  /** It leaves for good, by somebody else's wish. */
  retires(replica: number): void {
    this.#retiring.add(replica);
  }

  /** The driver has given a replica up. */
  lost(replica: number): void {
    if (this.#retiring.delete(replica)) this.standings[replica] = "absent";
  }

  /** A released replica has nothing to run any more. */
  left(replica: number, nowUs: number): void {
    this.standings[replica] = "off";
    this.#changed(replica, "left", nowUs);
  }

  residency(slot: number, model: number, state: Residency, nowUs: number): void {
    this.#residencies.set(`${slot}/${model}`, state);
    this.news = true;
    for (const one of this.controllers) one.residency?.(slot, model, state, nowUs);
  }

  residencyOf(slot: number, model: number): Residency {
    const known = this.#residencies.get(`${slot}/${model}`);
    if (known !== undefined) return known;
    const { residency, loadUs } = this.#system.models[model];
    return residency === "always" || loadUs === 0 ? "resident" : "absent";
  }

  fed(request: number, pool: number, loss: number, nowUs: number): void {
    this.news = true;
    for (const one of this.controllers) one.fed?.(request, pool, loss, nowUs);
  }

  /** The controller that orders and releases a pool's replicas. */
  scalerOf(pool: number): number {
    return this.controllers.findIndex(({ scales }) => scales?.includes(pool));
  }

  #changed(replica: number, state: "up" | "down" | "left", nowUs: number): void {
    this.news = true;
    for (const one of this.controllers) one.changed?.(replica, state, nowUs);
  }
}
