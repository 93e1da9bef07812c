/**
 * The way of a message through a deployment, with what each step costs:
 *
 *   client ─½ round trip─> gateway ─dispatch─> ─bytes, ½ round trip─> worker: model's load, service
 *   slowed by neighbours ─bytes, ½ round trip─> gateway ─completion─> … ─½ round trip─> client
 */
import type { Dispatcher } from "../core/dispatch/dispatcher.ts";
import type { RunRecorder } from "../core/metrics/recorder.ts";
import { RandomStream } from "../core/random/stream.ts";
import type { System } from "../core/system.ts";
import { WinnerTree } from "../core/winner-tree.ts";
import type { Answers, SteadyExecutor } from "./executor.ts";
import { Gateways } from "./gateways.ts";
import { inputBytes, outputBytes } from "./payload.ts";
import { pick } from "./pick.ts";
import { Delay } from "./stations/delay.ts";
import { deviceStations } from "./stations/device-stations.ts";
import { FairLinks } from "./stations/fair-links.ts";
import { Route } from "./stations/route.ts";
import type { Station } from "./stations/station.ts";

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
  readonly #dispatcher: Dispatcher;
  readonly #gateways: Gateways;
  readonly #route: Route;
  readonly #workerTrips: RandomStream;
  /** One slot per replica, then those of the gateways. */
  readonly #slots: WinnerTree;

  /** Of the batch on each replica, µs: when it leaves the gateway, and what each step takes. */
  readonly #leavesUs: Float64Array;
  readonly #halfTripUs: Float64Array;
  readonly #inputUs: Float64Array;
  readonly #outputUs: Float64Array;
  readonly #serviceUs: Float64Array;

  constructor(dispatcher: Dispatcher, recorder: RunRecorder, seed: string, answers: Answers) {
    const { system } = dispatcher;
    const replicas = system.replicas.length;
    this.#dispatcher = dispatcher;
    this.#workerTrips = new RandomStream(seed, "network/worker");
    this.#slots = new WinnerTree(replicas + Gateways.slotsOf(system));
    this.#gateways = new Gateways(dispatcher, answers, seed, this.#slots, replicas);
    this.#leavesUs = new Float64Array(replicas);
    this.#halfTripUs = new Float64Array(replicas);
    this.#inputUs = new Float64Array(replicas);
    this.#outputUs = new Float64Array(replicas);
    this.#serviceUs = new Float64Array(replicas);
    const service = deviceStations(dispatcher, recorder, this.#serviceUs, this.#slots);
    const stations = [...this.#outward(), ...service, ...this.#homeward()];
    this.#route = new Route(stations, replicas);
  }

  nextUs(): number {
    return this.#slots.least();
  }

  fire(nowUs: number): void {
    const slot = this.#slots.take();
    if (slot >= this.#serviceUs.length) this.#gateways.due(slot, nowUs);
    else if (this.#route.due(slot, nowUs)) this.#gateways.completed(slot);
  }

  arrive(request: number, pipeline: number, nowUs: number): void {
    this.#gateways.arrive(request, pipeline, nowUs);
  }

  start(replica: number, nowUs: number, variate: number): void {
    const { system, batchSize } = this.#dispatcher;
    const { service, node } = system.replicas[replica];
    const { usPerByte, zoneRoundTripUs } = system.nodes[node];
    const roundTripUs = pick(system.overheads.workerRoundTripUs, this.#workerTrips);
    this.#leavesUs[replica] = this.#gateways.dispatch(replica, nowUs);
    this.#halfTripUs[replica] = (roundTripUs + zoneRoundTripUs) / 2;
    this.#inputUs[replica] = usPerByte * inputBytes(this.#dispatcher, replica);
    this.#outputUs[replica] = usPerByte * outputBytes(this.#dispatcher, replica);
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
    this.#gateways.settle(nowUs);
  }

  answerUs(request: number): number {
    return this.#gateways.answerUs(request);
  }

  /** From gateway to worker. A link of one's own takes its time in one step with the way. */
  #outward(): Station[] {
    const { system } = this.#dispatcher;
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
    const { system } = this.#dispatcher;
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
