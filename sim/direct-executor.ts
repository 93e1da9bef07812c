/** Service times only: the gateway costs nothing and the network is instant. */

import type { Dispatcher } from "../core/dispatch/dispatcher.ts";
import { listOf } from "../core/hot-path.ts";
import type { RunRecorder } from "../core/metrics/recorder.ts";
import type { ServiceModel } from "../core/service.ts";
import type { System } from "../core/system.ts";
import { type Executor, recordBatch } from "./executor.ts";
import { type FinishCalendar, finishCalendar } from "./finish-calendar.ts";

export class DirectExecutor implements Executor {
  declare private readonly dispatcher: Dispatcher;
  declare private readonly recorder: RunRecorder;
  declare private readonly services: readonly ServiceModel[];
  /** By replica: see `ServiceModel`. */
  declare private readonly scaleUs: Float64Array;
  declare private readonly startedUs: Float64Array;
  declare private readonly finishes: FinishCalendar;

  constructor(system: System, dispatcher: Dispatcher, recorder: RunRecorder) {
    this.dispatcher = dispatcher;
    this.recorder = recorder;
    this.services = listOf(system.replicas, (replica) => replica.service);
    this.scaleUs = Float64Array.from(this.services, ({ scaleUs }) => scaleUs);
    this.startedUs = new Float64Array(system.replicas.length);
    this.finishes = finishCalendar(system.replicas.length);
  }

  nextUs(): number {
    return this.finishes.nextUs();
  }

  fire(nowUs: number): void {
    const replica = this.finishes.take();
    recordBatch(this.recorder, this.dispatcher, replica, this.startedUs[replica], nowUs);
    this.dispatcher.finish(replica, nowUs);
  }

  start(replica: number, nowUs: number, variate: number): void {
    this.startedUs[replica] = nowUs;
    const scaleUs = this.scaleUs[replica];
    const isSimple = !Number.isNaN(scaleUs) && this.dispatcher.batchSize[replica] === 1;
    // What `Math.round` gives for numbers that are not negative, in less time.
    const timeUs = isSimple ? Math.floor(scaleUs * variate + 0.5) : this.sampleUs(replica, variate);
    this.finishes.add(replica, nowUs + timeUs);
  }

  private sampleUs(replica: number, variate: number): number {
    return this.services[replica].sampleUs(variate, this.dispatcher.batchSize[replica]);
  }

  arrive(request: number, pipeline: number, nowUs: number): void {
    this.dispatcher.arrive(request, pipeline, nowUs, nowUs);
  }

  settle(): void {}

  answerUs(): number {
    return 0;
  }
}
