/** Devices that batches share or load models onto; gateway and network cost nothing. */
import type { RunRecorder } from "../../core/metrics/recorder.ts";
import { WinnerTree } from "../../core/winner-tree.ts";
import { deviceStations } from "../stations/device-stations.ts";
import type { ModelMemory } from "../stations/model-memory.ts";
import type { Batches } from "../stations/running-batches.ts";
import type { StartWindows } from "../stations/start-windows.ts";
import { Route } from "../stations/station.ts";
import type { SteadyExecutor } from "./executor.ts";

const NONE = -1;

export class DeviceExecutor implements SteadyExecutor {
  readonly memory: ModelMemory | null;
  readonly windows: StartWindows | null;
  readonly #batches: Batches;
  readonly #route: Route;
  readonly #slots: WinnerTree;
  readonly #aloneUs: Float64Array;

  constructor(batches: Batches, recorder: RunRecorder, hasWindows: boolean) {
    const { length: replicas } = batches.system.replicas;
    this.#batches = batches;
    this.#slots = new WinnerTree(replicas + batches.system.devices.length);
    this.#aloneUs = new Float64Array(replicas);
    const device = deviceStations(batches, recorder, this.#aloneUs, this.#slots, hasWindows);
    this.memory = device.memory;
    this.windows = device.windows;
    this.#route = new Route(device.stations, replicas);
  }

  nextUs(): number {
    return this.#slots.least();
  }

  fire(nowUs: number): number {
    const slot = this.#slots.take();
    const replicas = this.#aloneUs.length;
    if (slot >= replicas) this.memory?.loaded(slot - replicas, nowUs);
    else if (this.#route.due(slot, nowUs)) return slot;
    return NONE;
  }

  start(replica: number, nowUs: number, variate: number): void {
    const { batchSize, system } = this.#batches;
    const { service } = system.replicas[replica];
    this.#aloneUs[replica] = service.sampleUs(variate, batchSize[replica]);
    this.#route.start(replica, nowUs);
  }

  abort(replica: number, nowUs: number): boolean {
    const gone = this.#route.abandon(replica, nowUs);
    if (gone) this.#slots.set(replica, Number.POSITIVE_INFINITY);
    return gone;
  }

  settle(): void {}
}
