/**
 * Groups of devices that serve models as pipelines: a batch passes the devices of its group in order, a stage of
 * its model on each. A device runs one batch at a time, of any model of the group, in order of coming. The
 * stages of a batch take equal times.
 */

import type { WinnerTree } from "../basics/priority-queues.ts";
import type { DeviceMeter } from "../metrics/meters.ts";
import type { RunRecorder } from "../metrics/recorder.ts";
import { type Batches, recordBatch } from "./running-batches.ts";
import type { Station } from "./station.ts";

const NONE = -1;

export class PipelineStages implements Station {
  readonly #batches: Batches;
  readonly #recorder: RunRecorder;
  readonly #meter: DeviceMeter;
  readonly #aloneUs: Float64Array;
  readonly #slots: WinnerTree;
  /** By replica: the stage of its batch, and when the first began. */
  readonly #stage: Int32Array;
  readonly #startedUs: Float64Array;
  /** By device slot: the replica whose batch has it, and those that wait. */
  readonly #holder: Int32Array;
  readonly #waiting: readonly number[][];

  constructor(
    batches: Batches,
    recorder: RunRecorder,
    meter: DeviceMeter,
    aloneUs: Float64Array,
    slots: WinnerTree,
  ) {
    this.#batches = batches;
    this.#recorder = recorder;
    this.#meter = meter;
    this.#aloneUs = aloneUs;
    this.#slots = slots;
    const { replicas, devices } = batches.system;
    this.#stage = new Int32Array(replicas.length);
    this.#startedUs = new Float64Array(replicas.length);
    this.#holder = new Int32Array(devices.length).fill(NONE);
    this.#waiting = devices.map(() => []);
  }

  enter(replica: number, nowUs: number): boolean {
    this.#stage[replica] = 0;
    this.#startedUs[replica] = Number.NaN;
    this.#come(replica, nowUs);
    return false;
  }

  due(replica: number, nowUs: number): boolean {
    const slot = this.#slotOf(replica);
    this.#stage[replica]++;
    const isThrough = this.#stage[replica] === this.#stagesOf(replica).length;
    this.#free(slot, replica, nowUs);
    if (!isThrough) this.#come(replica, nowUs);
    else recordBatch(this.#recorder, this.#batches, replica, this.#startedUs[replica], nowUs);
    return isThrough;
  }

  abandon(replica: number, nowUs: number): void {
    const slot = this.#slotOf(replica);
    const startedUs = this.#startedUs[replica];
    if (!Number.isNaN(startedUs)) {
      this.#recorder.batchLost(this.#batches.poolOf[replica], startedUs, nowUs);
    }
    const waiting = this.#waiting[slot];
    const at = waiting.indexOf(replica);
    if (at >= 0) waiting.splice(at, 1);
    else this.#free(slot, replica, nowUs);
  }

  #stagesOf(replica: number): readonly number[] {
    return this.#batches.system.replicas[replica].stages ?? [];
  }

  #slotOf(replica: number): number {
    return this.#stagesOf(replica)[this.#stage[replica]];
  }

  #come(replica: number, nowUs: number): void {
    const slot = this.#slotOf(replica);
    this.#slots.set(replica, Number.POSITIVE_INFINITY);
    if (this.#holder[slot] === NONE) this.#begin(slot, replica, nowUs);
    else this.#waiting[slot].push(replica);
  }

  #begin(slot: number, replica: number, nowUs: number): void {
    this.#holder[slot] = replica;
    if (Number.isNaN(this.#startedUs[replica])) this.#startedUs[replica] = nowUs;
    this.#meter.started(replica, nowUs, slot);
    // Rounded so that the stages add up to the whole.
    const partUs = this.#aloneUs[replica] / this.#stagesOf(replica).length;
    const stage = this.#stage[replica];
    const us = Math.round(partUs * (stage + 1)) - Math.round(partUs * stage);
    this.#slots.set(replica, nowUs + us);
  }

  #free(slot: number, replica: number, nowUs: number): void {
    this.#meter.stopped(replica, nowUs, slot);
    this.#holder[slot] = NONE;
    const next = this.#waiting[slot].shift();
    if (next !== undefined) this.#begin(slot, next, nowUs);
  }
}
