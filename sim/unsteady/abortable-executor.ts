/** Service times only, for a cluster that changes: a batch can be taken off its replica. */
import type { Dispatcher } from "../../core/dispatch/dispatcher.ts";
import type { RunRecorder } from "../../core/metrics/recorder.ts";
import { WinnerTree } from "../../core/winner-tree.ts";
import { type Answers, recordBatch, type SteadyExecutor } from "../executor.ts";

export class AbortableExecutor implements SteadyExecutor {
  readonly #dispatcher: Dispatcher;
  readonly #recorder: RunRecorder;
  readonly #answers: Answers;
  readonly #startedUs: Float64Array;
  readonly #finishes: WinnerTree;

  constructor(dispatcher: Dispatcher, recorder: RunRecorder, answers: Answers) {
    const replicas = dispatcher.system.replicas.length;
    this.#dispatcher = dispatcher;
    this.#recorder = recorder;
    this.#answers = answers;
    this.#startedUs = new Float64Array(replicas);
    this.#finishes = new WinnerTree(replicas);
  }

  nextUs(): number {
    return this.#finishes.least();
  }

  fire(nowUs: number): void {
    const replica = this.#finishes.take();
    recordBatch(this.#recorder, this.#dispatcher, replica, this.#startedUs[replica], nowUs);
    this.#answers.finish(replica, nowUs);
  }

  start(replica: number, nowUs: number, variate: number): void {
    const { batchSize, system } = this.#dispatcher;
    const { service } = system.replicas[replica];
    this.#startedUs[replica] = nowUs;
    this.#finishes.set(replica, nowUs + service.sampleUs(variate, batchSize[replica]));
  }

  abort(replica: number, nowUs: number): boolean {
    const { pool } = this.#dispatcher.system.replicas[replica];
    this.#recorder.batchLost(pool, this.#startedUs[replica], nowUs);
    this.#finishes.set(replica, Number.POSITIVE_INFINITY);
    return true;
  }

  arrive(request: number, pipeline: number, nowUs: number): void {
    this.#dispatcher.arrive(request, pipeline, nowUs, nowUs);
  }

  settle(): void {}

  answerUs(): number {
    return 0;
  }
}
