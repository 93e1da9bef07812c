/** A run's metrics, by the recorder that the simulator feeds too. */
import type { Outcome } from "../../core/dispatch/driver.ts";
import type { RunRecorder } from "../../core/metrics/recorder.ts";
import type { LiveRequest } from "../run/live-request.ts";
import type { BatchOutcome, RunningBatch } from "../run/running-batch.ts";
import type { RunSink } from "./run-sink.ts";

export class RecorderSink implements RunSink {
  readonly #recorder: RunRecorder;
  readonly #timeScale: number;

  constructor(recorder: RunRecorder, timeScale: number) {
    this.#recorder = recorder;
    this.#timeScale = timeScale;
  }

  taken(_request: LiveRequest, nowUs: number): void {
    this.#recorder.arrived(nowUs);
  }

  started({ replica, requests, queuedUs }: RunningBatch, nowUs: number): void {
    const { pool } = this.#recorder.system.replicas[replica];
    requests.forEach(({ arrivedUs }, i) => {
      this.#recorder.jobStarted(pool, arrivedUs, nowUs - queuedUs[i]);
    });
  }

  /** A batch was served in the middle of its round trip. */
  served(batch: RunningBatch, { serviceUs, hopUs }: BatchOutcome, nowUs: number): void {
    const recorder = this.#recorder;
    const { replica, requests } = batch;
    const scale = this.#timeScale;
    const endUs = Math.round(Math.max(batch.startUs, nowUs - hopUs / 2 / scale));
    const startUs = Math.round(Math.max(batch.startUs, endUs - serviceUs / scale));
    recorder.batchRan(recorder.system.replicas[replica].pool, startUs, endUs, requests.length);
    if (!recorder.wantsBars) return;
    const numbers = requests.map((request) => request.index ?? -1);
    recorder.drewBar(replica, startUs, endUs, numbers);
  }

  wasted({ replica, startUs }: RunningBatch, _reason: string, nowUs: number): void {
    this.#recorder.batchLost(this.#recorder.system.replicas[replica].pool, startUs, nowUs);
  }

  ended(request: LiveRequest, outcome: Outcome, nowUs: number, goalUs: number): void {
    const { serial, index, pipeline, arrivedUs } = request;
    const latencyUs = nowUs - arrivedUs;
    this.#recorder.ended(index ?? serial, outcome, arrivedUs, nowUs, latencyUs, goalUs);
    this.#recorder.pipelines?.ended(pipeline, outcome, arrivedUs, latencyUs, goalUs);
  }
}
