/**
 * The way of a message through a deployment, with what each step costs:
 *
 *   client ─½ round trip─> gateway ─dispatch─> ─bytes, ½ round trip─> worker: model's load, service
 *   slowed by neighbours ─bytes, ½ round trip─> gateway ─completion─> … ─½ round trip─> client
 */
import type { Dispatcher } from "../../core/dispatch/dispatcher.ts";
import type { RunRecorder } from "../../core/metrics/recorder.ts";
import { RandomStream } from "../../core/random/stream.ts";
import type { System } from "../../core/system.ts";
import { WinnerTree } from "../../core/winner-tree.ts";
import { deviceStations } from "../stations/device-stations.ts";
import type { ModelMemory } from "../stations/model-memory.ts";
import { Delay, FairLinks } from "../stations/network-stations.ts";
import { type Batches, inputBytes, outputBytes } from "../stations/running-batches.ts";
import type { StartWindows } from "../stations/start-windows.ts";
import { Route, type Station } from "../stations/station.ts";
import type { SteadyExecutor } from "./executor.ts";
import { Gateways, pick } from "./gateways.ts";

const NONE = -1;

/** Whether messages between client, gateway and workers cost anything. */
export function hasMessageTerms({ overheads, nodes }: System): boolean {
  const { clientRoundTripUs, workerRoundTripUs } = overheads;
  const { arrivalUs, dispatchUs, completionUs } = overheads;
  return (
    clientRoundTripUs.length > 0 ||
    workerRoundTripUs.length > 0 ||
    arrivalUs + dispatchUs + completionUs > 0 ||
    nodes.some((node) => node.usPerByte > 0 || node.zoneRoundTripUs > 0)
  );
}

export class StagedExecutor implements SteadyExecutor {
  /** The entrance of requests; both chains pass it. */
  readonly gateways: Gateways;
  readonly memory: ModelMemory | null;
  readonly windows: StartWindows | null;
  readonly #batches: Batches;
  /** The gateways' first slot. */
  readonly #gatewaySlots: number;
  readonly #route: Route;
  readonly #workerTrips: RandomStream;
  /** One slot per replica, one per device, then those of the gateways. */
  readonly #slots: WinnerTree;

  /** When the batch on each replica leaves the gateway, and the time of each step, µs. */
  readonly #leavesUs: Float64Array;
  readonly #halfTripUs: Float64Array;
  readonly #inputUs: Float64Array;
  readonly #outputUs: Float64Array;
  readonly #serviceUs: Float64Array;

  constructor(dispatcher: Dispatcher, recorder: RunRecorder, seed: string, hasWindows: boolean) {
    const { system } = dispatcher;
    const replicas = system.replicas.length;
    this.#batches = dispatcher;
    this.#workerTrips = new RandomStream(seed, "network/worker");
    this.#gatewaySlots = replicas + system.devices.length;
    this.#slots = new WinnerTree(this.#gatewaySlots + Gateways.slotsOf(system));
    this.gateways = new Gateways(dispatcher, seed, this.#slots, this.#gatewaySlots);
    this.#leavesUs = new Float64Array(replicas);
    this.#halfTripUs = new Float64Array(replicas);
    this.#inputUs = new Float64Array(replicas);
    this.#outputUs = new Float64Array(replicas);
    this.#serviceUs = new Float64Array(replicas);
    const aloneUs = this.#serviceUs;
    const device = deviceStations(dispatcher, recorder, aloneUs, this.#slots, hasWindows);
    this.memory = device.memory;
    this.windows = device.windows;
    const stations = [...this.#outward(), ...device.stations, ...this.#homeward()];
    this.#route = new Route(stations, replicas);
  }

  nextUs(): number {
    return this.#slots.least();
  }

  fire(nowUs: number): number {
    const slot = this.#slots.take();
    if (slot >= this.#gatewaySlots) return this.gateways.due(slot, nowUs);
    const replicas = this.#serviceUs.length;
    if (slot >= replicas) this.memory?.loaded(slot - replicas, nowUs);
    else if (this.#route.due(slot, nowUs)) this.gateways.completed(slot);
    return NONE;
  }

  start(replica: number, nowUs: number, variate: number): void {
    const { system, batchSize } = this.#batches;
    const { service, node } = system.replicas[replica];
    const { usPerByte, zoneRoundTripUs } = system.nodes[node];
    const roundTripUs = pick(system.overheads.workerRoundTripUs, this.#workerTrips);
    this.#leavesUs[replica] = this.gateways.dispatch(replica, nowUs);
    this.#halfTripUs[replica] = (roundTripUs + zoneRoundTripUs) / 2;
    this.#inputUs[replica] = usPerByte * inputBytes(this.#batches, replica);
    this.#outputUs[replica] = usPerByte * outputBytes(this.#batches, replica);
    this.#serviceUs[replica] = service.sampleUs(variate, batchSize[replica]);
    this.#route.start(replica, nowUs);
  }

  /** A result that its gateway has, but has not taken in yet, is not called back. */
  abort(replica: number, nowUs: number): boolean {
    const gone = this.#route.abandon(replica, nowUs);
    if (gone) this.#slots.set(replica, Number.POSITIVE_INFINITY);
    return gone;
  }

  settle(nowUs: number): void {
    this.gateways.settle(nowUs);
  }

  /** From gateway to worker. A link of one's own takes its time in one step with the way. */
  #outward(): Station[] {
    const { system } = this.#batches;
    const slots = this.#slots;
    const [leaves, half, input] = [this.#leavesUs, this.#halfTripUs, this.#inputUs];
    if (!system.overheads.sharedLinks) {
      return [new Delay(slots, (r) => Math.round(leaves[r] + half[r] + input[r]))];
    }
    return [
      new Delay(slots, (r) => Math.round(leaves[r])),
      new FairLinks(system, input, slots),
      new Delay(slots, (r, nowUs) => nowUs + Math.round(half[r])),
    ];
  }

  #homeward(): Station[] {
    const { system } = this.#batches;
    const slots = this.#slots;
    const [half, output] = [this.#halfTripUs, this.#outputUs];
    if (!system.overheads.sharedLinks) {
      return [new Delay(slots, (r, nowUs) => nowUs + Math.round(half[r] + output[r]))];
    }
    return [
      new FairLinks(system, output, slots),
      new Delay(slots, (r, nowUs) => nowUs + Math.round(half[r])),
    ];
  }
}
