/**
 * The run log has what the dispatcher was told and decided. This adds what a batch cost, which no
 * decision depends on and explanations are made of.
 */
import type { RunLog } from "../../core/run-log.ts";
import type { BatchOutcome, RunningBatch } from "../run/running-batch.ts";
import type { RunSink } from "./run-sink.ts";

export class LogSink implements RunSink {
  readonly #log: RunLog;
  readonly #timeScale: number;

  constructor(log: RunLog, timeScale: number) {
    this.#log = log;
    this.#timeScale = timeScale;
  }

  served({ replica }: RunningBatch, { serviceUs, hopUs }: BatchOutcome, nowUs: number): void {
    const scaled = (us: number): number => Math.round(us / this.#timeScale);
    this.#log.add("served", replica, nowUs, scaled(serviceUs), scaled(hopUs));
  }

  taken(): void {}

  started(): void {}

  wasted(): void {}

  ended(): void {}
}
