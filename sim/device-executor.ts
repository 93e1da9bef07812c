/** Devices that batches share or load models onto; gateway and network cost nothing. */
import type { Dispatcher } from "../core/dispatch/dispatcher.ts";
import type { RunRecorder } from "../core/metrics/recorder.ts";
import { WinnerTree } from "../core/winner-tree.ts";
import type { Answers, SteadyExecutor } from "./executor.ts";
import { deviceStations } from "./stations/device-stations.ts";
import { Route } from "./stations/route.ts";

export class DeviceExecutor implements SteadyExecutor {
  readonly #dispatcher: Dispatcher;
  readonly #answers: Answers;
  readonly #route: Route;
  readonly #slots: WinnerTree;
  readonly #aloneUs: Float64Array;

  constructor(dispatcher: Dispatcher, recorder: RunRecorder, answers: Answers) {
    const replicas = dispatcher.system.replicas.length;
    this.#dispatcher = dispatcher;
    this.#answers = answers;
    this.#slots = new WinnerTree(replicas);
    this.#aloneUs = new Float64Array(replicas);
    const stations = deviceStations(dispatcher, recorder, this.#aloneUs, this.#slots);
    this.#route = new Route(stations, replicas);
  }

  nextUs(): number {
    return this.#slots.least();
  }

  fire(nowUs: number): void {
    const replica = this.#slots.take();
    if (this.#route.due(replica, nowUs)) this.#answers.finish(replica, nowUs);
  }

  start(replica: number, nowUs: number, variate: number): void {
    const { batchSize, system } = this.#dispatcher;
    const { service } = system.replicas[replica];
    this.#aloneUs[replica] = service.sampleUs(variate, batchSize[replica]);
    this.#route.start(replica, nowUs);
  }

  arrive(request: number, pipeline: number, nowUs: number): void {
    this.#dispatcher.arrive(request, pipeline, nowUs, nowUs);
  }

  abort(replica: number, nowUs: number): boolean {
    const gone = this.#route.abandon(replica, nowUs);
    if (gone) this.#slots.set(replica, Number.POSITIVE_INFINITY);
    return gone;
  }

  settle(): void {}

  answerUs(): number {
    return 0;
  }
}
