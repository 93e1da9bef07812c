/** The stations of a batch on its device: the load of its model if it is absent, then service. */
import { DeviceMeter } from "../../core/metrics/meters.ts";
import type { RunRecorder } from "../../core/metrics/recorder.ts";
import { type System, slowdownOf } from "../../core/system.ts";
import type { WinnerTree } from "../../core/winner-tree.ts";
import { hasLoads, ModelMemory } from "./model-memory.ts";
import { type Batches, recordBatch } from "./running-batches.ts";
import { EqualShares, groupReplicas, type Processor, TimeSlices } from "./sharing.ts";
import { StartWindows } from "./start-windows.ts";
import type { Station } from "./station.ts";

/** Whether devices and nodes need more than service times. */
export function hasDeviceTerms(system: System): boolean {
  return (
    system.nodes.some((node) => node.contention !== null) ||
    system.devices.some((device) => device.sharing !== null) ||
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
) {
  const { system } = batches;
  const meter = new DeviceMeter(system, recorder);
  recorder.devices = meter;
  const memory = hasLoads(system) ? new ModelMemory(system, meter, slots) : null;
  const service = new Service(batches, recorder, meter, memory, aloneUs, slots);
  const stations = memory === null ? [service] : [memory, service];
  if (!hasWindows) return { stations, memory, windows: null };
  const windows = new StartWindows(system, slots);
  const guarded = stations.map((station) => windows.guard(station, station === service));
  return { stations: [windows, ...guarded], memory, windows };
}

/**
 * Batches in service. Each runs on a processor: a shared device slot, or the exclusive slots
 * of its node. The busy replicas of a node slow each other down by the node's measured curve, whatever
 * they share besides; work left is re-rated whenever one of them starts or stops.
 */
class Service implements Station {
  readonly #startedUs: Float64Array;
  readonly #processorOf: readonly Processor[];
  /** Processors of each node. */
  readonly #processors: readonly (readonly Processor[])[];

  /** `memory` holds the model of each batch that is served. */
  constructor(
    private readonly batches: Batches,
    private readonly recorder: RunRecorder,
    private readonly meter: DeviceMeter,
    private readonly memory: ModelMemory | null,
    private readonly aloneUs: Float64Array,
    slots: WinnerTree,
  ) {
    const { system } = batches;
    this.#startedUs = new Float64Array(system.replicas.length);
    this.#processorOf = processorsOf(system, slots);
    const processors: Set<Processor>[] = system.nodes.map(() => new Set());
    this.#processorOf.forEach((processor, replica) => {
      processors[system.replicas[replica].node].add(processor);
    });
    this.#processors = processors.map((each) => [...each]);
  }

  enter(replica: number, nowUs: number): boolean {
    this.#startedUs[replica] = nowUs;
    this.meter.started(replica, nowUs);
    this.#processorOf[replica].add(replica, this.aloneUs[replica], nowUs);
    this.#rate(replica, nowUs);
    return false;
  }

  due(replica: number, nowUs: number): boolean {
    const through = this.#processorOf[replica].due(replica, nowUs);
    if (through) {
      const startedUs = this.#startedUs[replica];
      recordBatch(this.recorder, this.batches, replica, startedUs, nowUs);
    }
    this.#rate(replica, nowUs);
    if (through) this.#stopped(replica, nowUs);
    return through;
  }

  abandon(replica: number, nowUs: number): void {
    const { pool } = this.batches.system.replicas[replica];
    this.recorder.batchLost(pool, this.#startedUs[replica], nowUs);
    this.#processorOf[replica].remove(replica, nowUs);
    this.#rate(replica, nowUs);
    this.#stopped(replica, nowUs);
  }

  #stopped(replica: number, nowUs: number): void {
    this.meter.stopped(replica, nowUs);
    this.memory?.release(replica, nowUs);
  }

  #rate(replica: number, nowUs: number): void {
    const { nodes, replicas } = this.batches.system;
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
function processorsOf(system: System, slots: WinnerTree): Processor[] {
  const { replicas, devices, nodes } = system;
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
    }
  });
  nodes.forEach((_, node) => {
    const key = exclusive + node;
    processors.set(key, new EqualShares(members[key], placeOf, null, slots));
  });
  return replicas.map((_, replica) => processors.get(groupOf[replica]) as Processor);
}
