/**
 * The way of a batch through a deployment, with what each step costs. Messages take part where they cost
 * anything:
 *
 *   client ─½ round trip─> gateway ─dispatch─> ─bytes, ½ round trip─> worker: model's load, service
 *   slowed by neighbours ─bytes, ½ round trip─> gateway ─completion─> … ─½ round trip─> client
 */

import { WinnerTree } from "../../engine/basics/priority-queues.ts";
import type { Dispatcher } from "../../engine/dispatch/dispatcher.ts";
import type { RunRecorder } from "../../engine/metrics/recorder.ts";
import { RandomStream } from "../../engine/random/stream.ts";
import { deviceStations, type StartWindows } from "../../engine/stations/device-stations.ts";
import type { Iterating } from "../../engine/stations/iterations.ts";
import type { ModelMemory } from "../../engine/stations/model-memory.ts";
import { type Batches, inputBytes, outputBytes } from "../../engine/stations/running-batches.ts";
import { delay, fairLinks, Route } from "../../engine/stations/station.ts";
import type { Overheads, System } from "../../engine/system/system.ts";
import type { Entrance, SteadyExecutor } from "./executor.ts";
import { IntRing } from "./int-ring.ts";

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
  readonly #device: ReturnType<typeof deviceStations>;
  readonly #route: Route;
  /** One slot per replica, one per device, then those of the gateways. */
  readonly #slots: WinnerTree;
  /** The time that the batch on each replica takes alone. */
  readonly #aloneUs: Float64Array;

  constructor(
    dispatcher: Dispatcher,
    recorder: RunRecorder,
    seed: string,
    hasWindows: boolean,
    iterating: Iterating | null,
  ) {
    const { system } = dispatcher;
    const replicas = system.replicas.length;
    const own = replicas + system.devices.length;
    const hasMessages = hasMessageTerms(system);
    this.#batches = dispatcher;
    this.#slots = new WinnerTree(own + (hasMessages ? Gateways.slotsOf(system) : 0));
    this.#aloneUs = new Float64Array(replicas);
    this.messages = hasMessages ? messagesOf(dispatcher, seed, this.#slots, own, iterating) : null;
    this.#device = deviceStations(
      dispatcher,
      recorder,
      this.#aloneUs,
      this.#slots,
      hasWindows,
      iterating,
    );
    this.memory = this.#device.memory;
    this.windows = this.#device.windows;
    const { outward = [], homeward = [] } = this.messages ?? {};
    this.#route = new Route([...outward, ...this.#device.stations, ...homeward], replicas);
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

  crashed(replica: number): void {
    this.#device.crashed(replica);
  }

  settle(nowUs: number): void {
    this.messages?.gateways.settle(nowUs);
  }
}

/** The messages of requests and batches: gateways, round trips, and bytes on links. */
function messagesOf(
  dispatcher: Dispatcher,
  seed: string,
  slots: WinnerTree,
  firstSlot: number,
  iterating: Iterating | null,
) {
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
      const keysBytes = iterating === null ? 0 : sequenceBytes(dispatcher, iterating, replica);
      way.inputUs = usPerByte * (inputBytes(dispatcher, replica) + keysBytes);
      way.outputUs = usPerByte * outputBytes(dispatcher, replica);
    },
  };
}

/** Keys and values that the job of a replica brings from another engine. */
function sequenceBytes(
  { batchJobs, batchAt, requests }: Dispatcher,
  { lengths }: Iterating,
  replica: number,
): number {
  const job = batchJobs[batchAt[replica]];
  return lengths.bytesOf(requests.pipeline[requests.requestOf(job)], requests.taskOf(job), job);
}

/** Slots of one gateway in the calendar: its current message, and the head of its arrivals. */
const SLOTS_EACH = 2;

/** A request's way through its gateway: when it was sent, when it is there, and half the round trip. */
interface Passage {
  readonly gateway: number;
  readonly pipeline: number;
  readonly sentUs: number;
  readonly reachesUs: number;
  readonly halfTripUs: number;
}

class Gateway {
  /** Requests on their way to it, in order. */
  readonly underWay = new IntRing();
  lastReachesUs = 0;
  /** Messages at it: a replica's number, or −1 − request. */
  readonly messages = new IntRing();
  busyUntilUs = 0;
  handling = false;
}

/**
 * The gateways between clients and the dispatcher. Each is one server with a first-in, first-out
 * queue of messages; what it does on a message (deciding, sending batches) delays its next one.
 * Messages of one client connection keep their order. A request goes through one gateway, a batch
 * through that of its first job; all gateways share the one dispatcher, which learns of a message
 * once its gateway has taken it in.
 */
class Gateways implements Entrance {
  readonly #dispatcher: Dispatcher;
  readonly #slots: WinnerTree;
  readonly #firstSlot: number;
  readonly #overheads: Overheads;
  readonly #gateways: readonly Gateway[];
  readonly #clientTrips: RandomStream;
  /** The start value of hashes; each replication has its own, else all would share one assignment. */
  readonly #salt: number;
  #next = 0;

  /** By request. */
  readonly #passages: Passage[] = [];
  /** Gateway of the batch on each replica. */
  readonly #batchGateway: Int32Array;

  static slotsOf({ overheads }: System): number {
    return overheads.gateways * SLOTS_EACH;
  }

  /** Uses the slots from `firstSlot` on. */
  constructor(dispatcher: Dispatcher, seed: string, slots: WinnerTree, firstSlot: number) {
    this.#dispatcher = dispatcher;
    this.#slots = slots;
    this.#firstSlot = firstSlot;
    const { overheads, replicas } = dispatcher.system;
    this.#overheads = overheads;
    this.#gateways = Array.from({ length: overheads.gateways }, () => new Gateway());
    this.#clientTrips = new RandomStream(seed, "network/client");
    this.#salt = new RandomStream(seed, "gateway/assignment").next();
    this.#batchGateway = new Int32Array(replicas.length);
  }

  /** A client sends a request. */
  arrive(request: number, pipeline: number, nowUs: number): void {
    const index = this.#assign(request);
    const gateway = this.#gateways[index];
    const halfTripUs = pick(this.#overheads.clientRoundTripUs, this.#clientTrips) / 2;
    const reachesUs = Math.max(gateway.lastReachesUs, nowUs + Math.round(halfTripUs));
    gateway.lastReachesUs = reachesUs;
    this.#passages[request] = { gateway: index, pipeline, sentUs: nowUs, reachesUs, halfTripUs };
    gateway.underWay.push(request);
    if (gateway.underWay.length === 1) {
      this.#slots.set(this.#slotOf(index) + 1, reachesUs);
    }
  }

  /** Sends the batch that the dispatcher holds for a replica; the instant at which it leaves. */
  dispatch(replica: number, nowUs: number): number {
    const { batchJobs, batchAt, requests } = this.#dispatcher;
    const request = requests.requestOf(batchJobs[batchAt[replica]]);
    const index = this.#passages[request].gateway;
    const gateway = this.#gateways[index];
    this.#batchGateway[replica] = index;
    gateway.busyUntilUs = Math.max(gateway.busyUntilUs, nowUs) + this.#overheads.dispatchUs;
    return gateway.busyUntilUs;
  }

  /** The result of a replica's batch reaches its gateway. */
  completed(replica: number): void {
    this.#gateways[this.#batchGateway[replica]].messages.push(replica);
  }

  /** A slot of the gateways was due; returns the replica whose result was taken in, or −1. */
  due(slot: number, nowUs: number): number {
    const own = slot - this.#firstSlot;
    const index = Math.floor(own / SLOTS_EACH);
    if (own % SLOTS_EACH === 0) return this.#handled(this.#gateways[index], nowUs);
    this.#reached(this.#gateways[index], slot, nowUs);
    return NONE;
  }

  /** Each gateway takes its next message once it is through with what this instant brought. */
  settle(nowUs: number): void {
    const { arrivalUs, completionUs } = this.#overheads;
    for (let index = 0; index < this.#gateways.length; index++) {
      const gateway = this.#gateways[index];
      if (gateway.handling || gateway.messages.length === 0) continue;
      const cost = gateway.messages.peek() < 0 ? arrivalUs : completionUs;
      gateway.handling = true;
      gateway.busyUntilUs = Math.max(gateway.busyUntilUs, nowUs) + cost;
      this.#slots.set(this.#slotOf(index), Math.round(gateway.busyUntilUs));
    }
  }

  /** Time of the answer's way from gateway to client, µs. */
  answerUs(request: number): number {
    return Math.round(this.#passages[request].halfTripUs);
  }

  #slotOf(gateway: number): number {
    return this.#firstSlot + gateway * SLOTS_EACH;
  }

  #assign(request: number): number {
    const count = this.#gateways.length;
    if (count === 1) return 0;
    if (this.#overheads.assignment === "hash") {
      return hashed(this.#dispatcher.requests.serial[request] ^ this.#salt) % count;
    }
    this.#next = (this.#next + 1) % count;
    return this.#next;
  }

  #reached(gateway: Gateway, slot: number, nowUs: number): void {
    gateway.messages.push(-1 - gateway.underWay.shift());
    if (gateway.underWay.length > 0) {
      const next = this.#passages[gateway.underWay.peek()].reachesUs;
      this.#slots.set(slot, Math.max(nowUs, next));
    }
  }

  /** A gateway has taken in a message: only now does the dispatcher hear of it. */
  #handled(gateway: Gateway, nowUs: number): number {
    gateway.handling = false;
    const message = gateway.messages.shift();
    if (message >= 0) return message;
    const request = -1 - message;
    const { pipeline, sentUs } = this.#passages[request];
    this.#dispatcher.arrive(request, pipeline, sentUs, nowUs);
    return NONE;
  }
}

/** A serial number's hash, 0 .. 2³² − 1. Source: the finalizer of MurmurHash3. */
function hashed(serial: number): number {
  let h = serial | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** One of equally probable times; 0 when there are none. */
function pick(quantiles: readonly number[], stream: RandomStream): number {
  return quantiles.length === 0 ? 0 : quantiles[stream.integer(quantiles.length)];
}
