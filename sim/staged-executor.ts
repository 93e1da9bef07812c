/**
 * The way of a message through a deployment, with what each step costs:
 *
 *   client ─½ round trip─> gateway ─dispatch─> ─½ round trip + bytes─> worker: service, slowed by
 *   busy neighbours ─½ round trip─> gateway ─completion─> … ─½ round trip─> client
 *
 * The gateway is one server with a first-in, first-out queue of messages; what it does on a
 * message (deciding, sending batches) delays the next one. Messages of one client connection keep
 * their order.
 */
import type { Dispatcher } from "../core/dispatch/dispatcher.ts";
import { grown } from "../core/dispatch/request-table.ts";
import type { RunRecorder } from "../core/metrics/recorder.ts";
import { RandomStream } from "../core/random/stream.ts";
import type { Overheads, System } from "../core/system.ts";
import { WinnerTree } from "../core/winner-tree.ts";
import { type Executor, recordBatch } from "./executor.ts";
import { IntRing } from "./int-ring.ts";
import { NodeContention } from "./node-contention.ts";

/** Where a replica's batch is. */
const STAGE = { outbound: 0, serving: 1, inbound: 2 } as const;

/** Whether a system needs more than service times. */
export function hasOverheads({ overheads, nodes }: System): boolean {
  const { clientRoundTripUs, workerRoundTripUs, usPerByte } = overheads;
  const { arrivalUs, dispatchUs, completionUs } = overheads;
  return (
    clientRoundTripUs.length > 0 ||
    workerRoundTripUs.length > 0 ||
    usPerByte + arrivalUs + dispatchUs + completionUs > 0 ||
    nodes.some((node) => node.contention !== null)
  );
}

export class StagedExecutor implements Executor {
  readonly #system: System;
  readonly #overheads: Overheads;
  readonly #dispatcher: Dispatcher;
  readonly #recorder: RunRecorder;
  readonly #contention: NodeContention;
  readonly #clientTrips: RandomStream;
  readonly #workerTrips: RandomStream;
  /** One slot per replica, then the gateway, then the head of the arrivals under way. */
  readonly #slots: WinnerTree;
  readonly #gatewaySlot: number;
  readonly #arrivalSlot: number;

  readonly #stage: Uint8Array;
  readonly #serviceUs: Float64Array;
  readonly #startedUs: Float64Array;
  readonly #halfTripUs: Float64Array;

  /** Requests on their way to the gateway, in order, and when each is there. */
  readonly #underWay = new IntRing();
  #reachesUs = new Float64Array(0);
  #clientHalfTripUs = new Float64Array(0);
  #pipelines = new Int32Array(0);
  #sentUs = new Float64Array(0);
  #lastReachesUs = 0;

  /** Messages at the gateway: a replica's number, or −1 − request. */
  readonly #messages = new IntRing();
  #gatewayBusyUntilUs = 0;
  #handling = false;

  constructor(system: System, dispatcher: Dispatcher, recorder: RunRecorder, seed: string) {
    const replicas = system.replicas.length;
    this.#system = system;
    this.#overheads = system.overheads;
    this.#dispatcher = dispatcher;
    this.#recorder = recorder;
    this.#clientTrips = new RandomStream(seed, "network/client");
    this.#workerTrips = new RandomStream(seed, "network/worker");
    this.#slots = new WinnerTree(replicas + 2);
    this.#gatewaySlot = replicas;
    this.#arrivalSlot = replicas + 1;
    this.#contention = new NodeContention(system, this.#slots);
    this.#stage = new Uint8Array(replicas);
    this.#serviceUs = new Float64Array(replicas);
    this.#startedUs = new Float64Array(replicas);
    this.#halfTripUs = new Float64Array(replicas);
  }

  nextUs(): number {
    return this.#slots.least();
  }

  fire(nowUs: number): void {
    const slot = this.#slots.take();
    if (slot === this.#gatewaySlot) this.#handled(nowUs);
    else if (slot === this.#arrivalSlot) this.#reachedGateway(nowUs);
    else this.#advance(slot, nowUs);
  }

  arrive(request: number, pipeline: number, nowUs: number): void {
    const capacity = this.#dispatcher.requests.capacity;
    if (this.#reachesUs.length < capacity) {
      this.#reachesUs = grown(this.#reachesUs, new Float64Array(capacity));
      this.#clientHalfTripUs = grown(this.#clientHalfTripUs, new Float64Array(capacity));
      this.#sentUs = grown(this.#sentUs, new Float64Array(capacity));
      this.#pipelines = grown(this.#pipelines, new Int32Array(capacity));
    }
    const half = pick(this.#overheads.clientRoundTripUs, this.#clientTrips) / 2;
    this.#lastReachesUs = Math.max(this.#lastReachesUs, nowUs + Math.round(half));
    this.#clientHalfTripUs[request] = half;
    this.#reachesUs[request] = this.#lastReachesUs;
    this.#sentUs[request] = nowUs;
    this.#pipelines[request] = pipeline;
    this.#underWay.push(request);
    if (this.#underWay.length === 1) this.#slots.set(this.#arrivalSlot, this.#lastReachesUs);
  }

  start(replica: number, nowUs: number, variate: number): void {
    const { dispatchUs, usPerByte, workerRoundTripUs } = this.#overheads;
    const { service } = this.#system.replicas[replica];
    const size = this.#dispatcher.batchSize[replica];
    const half = pick(workerRoundTripUs, this.#workerTrips) / 2;
    this.#gatewayBusyUntilUs = Math.max(this.#gatewayBusyUntilUs, nowUs) + dispatchUs;
    const wireUs = half + usPerByte * this.#payloadBytes(replica) * size;
    this.#stage[replica] = STAGE.outbound;
    this.#halfTripUs[replica] = half;
    this.#serviceUs[replica] = service.sampleUs(variate, size);
    this.#slots.set(replica, Math.round(this.#gatewayBusyUntilUs + wireUs));
  }

  /** The gateway takes its next message once it is through with what this instant brought. */
  settle(nowUs: number): void {
    if (this.#handling || this.#messages.length === 0) return;
    const { arrivalUs, completionUs } = this.#overheads;
    const cost = this.#messages.peek() < 0 ? arrivalUs : completionUs;
    this.#handling = true;
    this.#gatewayBusyUntilUs = Math.max(this.#gatewayBusyUntilUs, nowUs) + cost;
    this.#slots.set(this.#gatewaySlot, Math.round(this.#gatewayBusyUntilUs));
  }

  answerUs(request: number): number {
    return Math.round(this.#clientHalfTripUs[request]);
  }

  #reachedGateway(nowUs: number): void {
    this.#messages.push(-1 - this.#underWay.shift());
    if (this.#underWay.length > 0) {
      const next = this.#reachesUs[this.#underWay.peek()];
      this.#slots.set(this.#arrivalSlot, Math.max(nowUs, next));
    }
  }

  /** The gateway has taken in a message: only now does the dispatcher hear of it. */
  #handled(nowUs: number): void {
    this.#handling = false;
    const message = this.#messages.shift();
    if (message >= 0) {
      this.#dispatcher.finish(message, nowUs);
      return;
    }
    const request = -1 - message;
    const pipeline = this.#pipelines[request];
    this.#dispatcher.arrive(request, pipeline, this.#sentUs[request], nowUs);
  }

  #advance(replica: number, nowUs: number): void {
    switch (this.#stage[replica]) {
      case STAGE.outbound:
        this.#stage[replica] = STAGE.serving;
        this.#startedUs[replica] = nowUs;
        this.#contention.begin(replica, this.#serviceUs[replica], nowUs);
        return;
      case STAGE.serving:
        this.#stage[replica] = STAGE.inbound;
        recordBatch(this.#recorder, this.#dispatcher, replica, this.#startedUs[replica], nowUs);
        this.#contention.end(replica, nowUs);
        this.#slots.set(replica, nowUs + Math.round(this.#halfTripUs[replica]));
        return;
      case STAGE.inbound:
        this.#messages.push(replica);
        return;
    }
  }

  #payloadBytes(replica: number): number {
    const { pool } = this.#system.replicas[replica];
    for (const pipeline of this.#system.pipelines) {
      for (const task of pipeline.tasks) if (task.pool === pool) return task.payloadBytes;
    }
    return 0;
  }
}

function pick(quantiles: readonly number[], stream: RandomStream): number {
  return quantiles.length === 0 ? 0 : quantiles[stream.integer(quantiles.length)];
}
