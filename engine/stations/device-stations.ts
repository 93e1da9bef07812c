/** The stations of a batch on its device: its start window, the load of its model if it is absent, then service. */

import { assert } from "../basics/fault.ts";
import type { WinnerTree } from "../basics/priority-queues.ts";
import type { StartWindow } from "../dispatch/driver.ts";
import { DeviceMeter } from "../metrics/meters.ts";
import type { RunRecorder } from "../metrics/recorder.ts";
import { slowdownOf } from "../service/slow-down.ts";
import type { System } from "../system/system.ts";
import { EngineAndOthers } from "./engine-and-others.ts";
import { type Iterating, Iterations } from "./iterations.ts";
import { hasLoads, ModelMemory } from "./model-memory.ts";
import { PipelineStages } from "./pipeline-stages.ts";
import { type Batches, recordBatch } from "./running-batches.ts";
import {
  EqualShares,
  groupReplicas,
  type Processor,
  type Station,
  TimeSlices,
  Unslowed,
} from "./station.ts";

/** Whether devices and nodes need more than service times. */
export function hasDeviceTerms(system: System): boolean {
  return (
    system.nodes.some((node) => node.contention !== null) ||
    system.devices.some((device) => device.sharing !== null) ||
    system.replicas.some(({ stages }) => stages !== null) ||
    system.idleWatts !== null ||
    hasLoads(system)
  );
}

/**
 * The stations, the memory (null where no model is loaded; loads by command are due at slots after the
 * replicas', one a device), and the start windows (null where no batch has one). `aloneUs` holds the time
 * that each replica's batch takes alone.
 */
export function deviceStations(
  batches: Batches,
  recorder: RunRecorder,
  aloneUs: Float64Array,
  slots: WinnerTree,
  hasWindows: boolean,
  iterating: Iterating | null,
) {
  const { system } = batches;
  const meter = new DeviceMeter(system, recorder);
  recorder.devices = meter;
  const memory = hasLoads(system) ? new ModelMemory(system, meter, slots) : null;
  const processors = processorsOf(batches, recorder, slots, iterating);
  const alone = new Service(batches, recorder, meter, memory, aloneUs, processors);
  const pipelined = new PipelineStages(batches, recorder, meter, aloneUs, slots);
  const serviceOf = (replica: number): Station =>
    system.replicas[replica].stages === null ? alone : pipelined;
  const service: Station = system.replicas.every(({ stages }) => stages === null)
    ? alone
    : {
        enter: (replica, nowUs) => serviceOf(replica).enter(replica, nowUs),
        due: (replica, nowUs) => {
          const isThrough = serviceOf(replica).due(replica, nowUs);
          if (isThrough && serviceOf(replica) === pipelined) memory?.release(replica, nowUs);
          return isThrough;
        },
        abandon: (replica, nowUs) => {
          serviceOf(replica).abandon(replica, nowUs);
          if (serviceOf(replica) === pipelined) memory?.release(replica, nowUs);
        },
      };
  const stations = memory === null ? [service] : [memory, service];
  const crashed = (replica: number): void => processors[replica].crashed?.(replica);
  if (!hasWindows) return { stations, memory, windows: null, crashed };
  const windows = new StartWindows(system, slots);
  const guarded = stations.map((station) => windows.guard(station, station === service));
  return { stations: [windows, ...guarded], memory, windows, crashed };
}

/**
 * Batches in service. Each runs on a processor: a shared device slot, or the exclusive slots
 * of its node. The busy replicas of a node slow each other down by the node's measured curve, whatever
 * they share besides; work left is re-rated whenever one of them starts or stops.
 */
class Service implements Station {
  readonly #batches: Batches;
  readonly #recorder: RunRecorder;
  readonly #meter: DeviceMeter;
  readonly #memory: ModelMemory | null;
  readonly #aloneUs: Float64Array;
  readonly #startedUs: Float64Array;
  readonly #processorOf: readonly Processor[];
  /** Processors of each node. */
  readonly #processors: readonly (readonly Processor[])[];

  /** `memory` holds the model of each batch that is served. */
  constructor(
    batches: Batches,
    recorder: RunRecorder,
    meter: DeviceMeter,
    memory: ModelMemory | null,
    aloneUs: Float64Array,
    processorOf: readonly Processor[],
  ) {
    this.#batches = batches;
    this.#recorder = recorder;
    this.#meter = meter;
    this.#memory = memory;
    this.#aloneUs = aloneUs;
    const { system } = batches;
    this.#startedUs = new Float64Array(system.replicas.length);
    this.#processorOf = processorOf;
    const processors: Set<Processor>[] = system.nodes.map(() => new Set());
    this.#processorOf.forEach((processor, replica) => {
      processors[system.replicas[replica].node].add(processor);
    });
    this.#processors = processors.map((each) => [...each]);
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
      recordBatch(this.#recorder, this.#batches, replica, startedUs, nowUs);
    }
    this.#rate(replica, nowUs);
    if (through) this.#stopped(replica, nowUs);
    return through;
  }

  abandon(replica: number, nowUs: number): void {
    const { pool } = this.#batches.system.replicas[replica];
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
    const { nodes, replicas } = this.#batches.system;
    const { node } = replicas[replica];
    const curve = nodes[node].contention;
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
function processorsOf(
  batches: Batches,
  recorder: RunRecorder,
  slots: WinnerTree,
  iterating: Iterating | null,
): Processor[] {
  const { replicas, devices, nodes } = batches.system;
  const leftUs = new Float64Array(replicas.length);
  const exclusive = devices.length;
  const keys = replicas.map(({ slot, node }) =>
    devices[slot].sharing === null ? exclusive + node : slot,
  );
  const { members, placeOf, groupOf } = groupReplicas(keys, exclusive + nodes.length);
  const processors = new Map<number, Processor>();
  devices.forEach(({ sharing }, slot) => {
    if (sharing?.kind === "time-slice") {
      processors.set(slot, new TimeSlices(sharing, leftUs, slots));
    } else if (sharing?.kind === "processor-sharing") {
      processors.set(slot, new EqualShares(members[slot], placeOf, sharing.slowdown, slots));
    } else if (sharing?.kind === "iterations") {
      assert(iterating !== null, "a run with language models knows their lengths");
      const engine = new Iterations(sharing, batches, recorder, iterating, slots);
      const isOther = (replica: number): boolean => replicas[replica].pool !== sharing.pool;
      const isShared = members[slot].some(isOther);
      const others = isShared ? new EqualShares(members[slot], placeOf, null, slots) : null;
      const { slowdown } = sharing;
      processors.set(
        slot,
        others === null ? engine : new EngineAndOthers(engine, others, isOther, slowdown),
      );
    }
  });
  nodes.forEach(({ contention }, node) => {
    const key = exclusive + node;
    const shares = () => new EqualShares(members[key], placeOf, null, slots);
    processors.set(key, contention === null ? new Unslowed(slots) : shares());
  });
  return replicas.map((_, replica) => processors.get(groupOf[replica]) as Processor);
}

const NONE = -1;

/**
 * Start windows at workers: a batch that has one waits here until its device slot is free and its
 * window is open, and is cancelled when it could not start in time. Batches of one slot start in
 * order of receipt. A cancelled batch passes the stations behind this one and goes home unrun.
 */
export class StartWindows implements Station {
  readonly #slots: WinnerTree;
  readonly #slotOf: readonly number[];
  /** By replica: the window of its next batch, from receipt; null: none. */
  readonly #next: (StartWindow | null)[];
  /** By replica: its batch's window, µs since the run's start. */
  readonly #fromUs: Float64Array;
  readonly #untilUs: Float64Array;
  readonly #missed: Uint8Array;
  /** By device slot: replicas whose batch waits, in order of receipt, and the one that has the slot. */
  readonly #waiting: number[][];
  readonly #holder: Int32Array;

  constructor({ replicas, devices }: System, slots: WinnerTree) {
    this.#slots = slots;
    this.#slotOf = replicas.map(({ slot }) => slot);
    this.#next = replicas.map(() => null);
    this.#fromUs = new Float64Array(replicas.length);
    this.#untilUs = new Float64Array(replicas.length);
    this.#missed = new Uint8Array(replicas.length);
    this.#waiting = devices.map(() => []);
    this.#holder = new Int32Array(devices.length).fill(NONE);
  }

  /** The next batch of a replica has this window. */
  set(replica: number, window: StartWindow): void {
    this.#next[replica] = window;
  }

  /** Whether the last batch of a replica was cancelled. */
  missed(replica: number): boolean {
    return this.#missed[replica] === 1;
  }

  enter(replica: number, nowUs: number): boolean {
    const window = this.#next[replica];
    this.#next[replica] = null;
    this.#missed[replica] = 0;
    if (window === null) return true;
    this.#fromUs[replica] = nowUs + window.earliestUs;
    this.#untilUs[replica] = nowUs + window.latestUs;
    const slot = this.#slotOf[replica];
    this.#waiting[slot].push(replica);
    this.#slots.set(replica, this.#untilUs[replica] + 1);
    this.#serve(slot, nowUs);
    return false;
  }

  due(replica: number, nowUs: number): boolean {
    const slot = this.#slotOf[replica];
    if (this.#holder[slot] === replica) return true;
    if (nowUs <= this.#untilUs[replica]) {
      this.#slots.set(replica, this.#untilUs[replica] + 1);
      this.#serve(slot, nowUs);
      return false;
    }
    this.#leave(replica);
    this.#missed[replica] = 1;
    this.#serve(slot, nowUs);
    return true;
  }

  abandon(replica: number, nowUs: number): void {
    this.#leave(replica);
    this.release(replica, nowUs);
  }

  /** A replica's batch is off its device slot. */
  release(replica: number, nowUs: number): void {
    const slot = this.#slotOf[replica];
    if (this.#holder[slot] === replica) this.#holder[slot] = NONE;
    this.#serve(slot, nowUs);
  }

  /** A station behind this one, which cancelled batches pass; `last` frees the device slot. */
  guard(station: Station, last: boolean): Station {
    return {
      enter: (replica, nowUs) => this.missed(replica) || station.enter(replica, nowUs),
      due: (replica, nowUs) => {
        const through = station.due(replica, nowUs);
        if (through && last) this.release(replica, nowUs);
        return through;
      },
      abandon: (replica, nowUs) => {
        station.abandon(replica, nowUs);
        this.release(replica, nowUs);
      },
    };
  }

  /** Gives a free slot to the first batch that can still start there, or waits for its window. */
  #serve(slot: number, nowUs: number): void {
    if (this.#holder[slot] !== NONE) return;
    const first = this.#waiting[slot].find((replica) => nowUs <= this.#untilUs[replica]);
    if (first === undefined) return;
    if (nowUs < this.#fromUs[first]) {
      this.#slots.set(first, Math.min(this.#fromUs[first], this.#untilUs[first] + 1));
      return;
    }
    this.#leave(first);
    this.#holder[slot] = first;
    this.#slots.set(first, nowUs);
  }

  #leave(replica: number): void {
    const slot = this.#slotOf[replica];
    this.#waiting[slot] = this.#waiting[slot].filter((other) => other !== replica);
  }
}
