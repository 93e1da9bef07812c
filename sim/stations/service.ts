/**
 * Where batches are served. Each runs on a processor: a shared device slot, or the exclusive slots
 * of its node. The busy replicas of a node slow each other down by the node's measured curve, whatever
 * they share besides; work left is re-rated whenever one of them starts or stops.
 */

import type { Dispatcher } from "../../core/dispatch/dispatcher.ts";
import { listOf } from "../../core/hot-path.ts";
import type { DeviceMeter } from "../../core/metrics/meters.ts";
import type { RunRecorder } from "../../core/metrics/recorder.ts";
import type { System } from "../../core/system.ts";
import { slowdownOf } from "../../core/system.ts";
import type { WinnerTree } from "../../core/winner-tree.ts";
import { recordBatch } from "../executor.ts";
import { EqualShares } from "./equal-shares.ts";
import { groupReplicas } from "./grouping.ts";
import type { ModelMemory } from "./model-memory.ts";
import type { Processor } from "./processor.ts";
import type { Station } from "./station.ts";
import { TimeSlices } from "./time-slices.ts";

export class Service implements Station {
  readonly #dispatcher: Dispatcher;
  readonly #recorder: RunRecorder;
  readonly #meter: DeviceMeter;
  /** Holds the model of each batch that is served. */
  readonly #memory: ModelMemory | null;
  /** Time of the batch on each replica, alone, µs. */
  readonly #aloneUs: Float64Array;
  readonly #startedUs: Float64Array;
  readonly #nodeOf: readonly number[];
  readonly #processorOf: readonly Processor[];
  readonly #contention: readonly (readonly number[] | null)[];
  /** Processors of each node. */
  readonly #processors: readonly (readonly Processor[])[];

  constructor(
    dispatcher: Dispatcher,
    recorder: RunRecorder,
    meter: DeviceMeter,
    memory: ModelMemory | null,
    aloneUs: Float64Array,
    slots: WinnerTree,
  ) {
    const { system } = dispatcher;
    this.#dispatcher = dispatcher;
    this.#recorder = recorder;
    this.#meter = meter;
    this.#memory = memory;
    this.#aloneUs = aloneUs;
    this.#startedUs = new Float64Array(system.replicas.length);
    this.#nodeOf = listOf(system.replicas, (replica) => replica.node);
    this.#contention = listOf(system.nodes, (node) => node.contention);
    this.#processorOf = processorsOf(system, slots);
    const processors: Set<Processor>[] = listOf(system.nodes, () => new Set());
    this.#processorOf.forEach((processor, replica) => {
      processors[this.#nodeOf[replica]].add(processor);
    });
    this.#processors = listOf(processors, (each) => [...each]);
  }

  enter(replica: number, nowUs: number): boolean {
    this.#startedUs[replica] = nowUs;
    this.#meter.started(replica, nowUs);
    this.#processorOf[replica].add(replica, this.#aloneUs[replica], nowUs);
    this.#rate(replica, nowUs);
    return false;
  }

  due(replica: number, nowUs: number): boolean {
    const through = this.#processorOf[replica].due(replica, nowUs);
    if (through) {
      const startedUs = this.#startedUs[replica];
      recordBatch(this.#recorder, this.#dispatcher, replica, startedUs, nowUs);
    }
    this.#rate(replica, nowUs);
    if (through) this.#stopped(replica, nowUs);
    return through;
  }

  abandon(replica: number, nowUs: number): void {
    const { pool } = this.#dispatcher.system.replicas[replica];
    this.#recorder.batchLost(pool, this.#startedUs[replica], nowUs);
    this.#processorOf[replica].remove(replica, nowUs);
    this.#rate(replica, nowUs);
    this.#stopped(replica, nowUs);
  }

  #stopped(replica: number, nowUs: number): void {
    this.#meter.stopped(replica, nowUs);
    this.#memory?.release(replica, nowUs);
  }

  #rate(replica: number, nowUs: number): void {
    const node = this.#nodeOf[replica];
    const curve = this.#contention[node];
    if (curve === null) {
      this.#processorOf[replica].rate(1, nowUs);
      return;
    }
    const processors = this.#processors[node];
    let running = 0;
    for (const processor of processors) running += processor.running;
    const slowdown = slowdownOf(curve, running);
    for (const processor of processors) processor.rate(slowdown, nowUs);
  }
}

/** The processor of each replica. */
function processorsOf(system: System, slots: WinnerTree): Processor[] {
  const { replicas, devices, nodes } = system;
  const leftUs = new Float64Array(replicas.length);
  const exclusive = devices.length;
  const keys = listOf(replicas, ({ slot, node }) =>
    devices[slot].sharing === null ? exclusive + node : slot,
  );
  const { members, placeOf, groupOf } = groupReplicas(keys, exclusive + nodes.length);
  const processors = new Map<number, Processor>();
  devices.forEach(({ sharing }, slot) => {
    if (sharing?.kind === "time-slice") {
      processors.set(slot, new TimeSlices(sharing, leftUs, slots));
    } else if (sharing?.kind === "processor-sharing") {
      processors.set(slot, new EqualShares(members[slot], placeOf, sharing.slowdown, slots));
    }
  });
  nodes.forEach((_, node) => {
    const key = exclusive + node;
    processors.set(key, new EqualShares(members[key], placeOf, null, slots));
  });
  return listOf(replicas, (_, replica) => processors.get(groupOf[replica]) as Processor);
}
