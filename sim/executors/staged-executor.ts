/**
 * The way of a batch through a deployment, with what each step costs. Messages take part where they cost
 * anything:
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
import { type Batches, inputBytes, outputBytes } from "../stations/running-batches.ts";
import type { StartWindows } from "../stations/start-windows.ts";
import { delay, fairLinks, Route } from "../stations/station.ts";
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
  /** Null where messages cost nothing. */
  readonly messages: ReturnType<typeof messagesOf> | null;
  readonly memory: ModelMemory | null;
  readonly windows: StartWindows | null;
  readonly #batches: Batches;
  readonly #route: Route;
  /** One slot per replica, one per device, then those of the gateways. */
  readonly #slots: WinnerTree;
  /** The time that the batch on each replica takes alone. */
  readonly #aloneUs: Float64Array;

  constructor(dispatcher: Dispatcher, recorder: RunRecorder, seed: string, hasWindows: boolean) {
    const { system } = dispatcher;
    const replicas = system.replicas.length;
    const own = replicas + system.devices.length;
    const hasMessages = hasMessageTerms(system);
    this.#batches = dispatcher;
    this.#slots = new WinnerTree(own + (hasMessages ? Gateways.slotsOf(system) : 0));
    this.#aloneUs = new Float64Array(replicas);
    this.messages = hasMessages ? messagesOf(dispatcher, seed, this.#slots, own) : null;
    const device = deviceStations(dispatcher, recorder, this.#aloneUs, this.#slots, hasWindows);
    this.memory = device.memory;
    this.windows = device.windows;
    const { outward = [], homeward = [] } = this.messages ?? {};
    this.#route = new Route([...outward, ...device.stations, ...homeward], replicas);
  }

  nextUs(): number {
    return this.#slots.least();
  }

  fire(nowUs: number): number {
    const slot = this.#slots.take();
    const { messages } = this;
    const replicas = this.#aloneUs.length;
    if (slot < replicas) {
      if (!this.#route.due(slot, nowUs)) return NONE;
      if (messages === null) return slot;
      messages.gateways.completed(slot);
      return NONE;
    }
    const device = slot - replicas;
    if (device >= this.#batches.system.devices.length)
      return messages?.gateways.due(slot, nowUs) ?? NONE;
    this.memory?.loaded(device, nowUs);
    return NONE;
  }

  start(replica: number, nowUs: number, variate: number): void {
    const { system, batchSize } = this.#batches;
    this.messages?.start(replica, nowUs);
    this.#aloneUs[replica] = system.replicas[replica].service.sampleUs(variate, batchSize[replica]);
    this.#route.start(replica, nowUs);
  }

  /** A result that its gateway has, but has not taken in yet, is not called back. */
  abort(replica: number, nowUs: number): boolean {
    const gone = this.#route.abandon(replica, nowUs);
    if (gone) this.#slots.set(replica, Number.POSITIVE_INFINITY);
    return gone;
  }

  settle(nowUs: number): void {
    this.messages?.gateways.settle(nowUs);
  }
}

/** The messages of requests and batches: gateways, round trips, and bytes on links. */
function messagesOf(dispatcher: Dispatcher, seed: string, slots: WinnerTree, firstSlot: number) {
  const { system } = dispatcher;
  const gateways = new Gateways(dispatcher, seed, slots, firstSlot);
  const workerTrips = new RandomStream(seed, "network/worker");
  /** By replica: when its batch leaves the gateway, and the time of each step, µs. */
  const ways = system.replicas.map(() => ({ leavesUs: 0, halfTripUs: 0, inputUs: 0, outputUs: 0 }));
  const trip = delay(slots, (r, nowUs) => nowUs + Math.round(ways[r].halfTripUs));
  const { sharedLinks, workerRoundTripUs } = system.overheads;
  // A link of one's own takes its time in one step with the way.
  const outward = sharedLinks
    ? [
        delay(slots, (r) => Math.round(ways[r].leavesUs)),
        fairLinks(system, (r) => ways[r].inputUs, slots),
        trip,
      ]
    : [delay(slots, (r) => Math.round(ways[r].leavesUs + ways[r].halfTripUs + ways[r].inputUs))];
  const homeward = sharedLinks
    ? [fairLinks(system, (r) => ways[r].outputUs, slots), trip]
    : [delay(slots, (r, nowUs) => nowUs + Math.round(ways[r].halfTripUs + ways[r].outputUs))];
  return {
    /** The entrance of requests; both chains pass it. */
    gateways,
    outward,
    homeward,
    /** A batch sets out to a replica. */
    start: (replica: number, nowUs: number): void => {
      const { usPerByte, zoneRoundTripUs } = system.nodes[system.replicas[replica].node];
      const way = ways[replica];
      const roundTripUs = pick(workerRoundTripUs, workerTrips);
      way.leavesUs = gateways.dispatch(replica, nowUs);
      way.halfTripUs = (roundTripUs + zoneRoundTripUs) / 2;
      way.inputUs = usPerByte * inputBytes(dispatcher, replica);
      way.outputUs = usPerByte * outputBytes(dispatcher, replica);
    },
  };
}
