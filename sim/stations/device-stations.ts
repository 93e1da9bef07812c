/** What a batch goes through on its device: its model's load if need be, and service. */
import type { Dispatcher } from "../../core/dispatch/dispatcher.ts";
import { DeviceMeter } from "../../core/metrics/meters.ts";
import type { RunRecorder } from "../../core/metrics/recorder.ts";
import type { System } from "../../core/system.ts";
import type { WinnerTree } from "../../core/winner-tree.ts";
import { hasLoads, ModelMemory } from "./model-memory.ts";
import { Service } from "./service.ts";
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

/** `aloneUs` holds the time that each replica's batch takes alone. */
export function deviceStations(
  dispatcher: Dispatcher,
  recorder: RunRecorder,
  aloneUs: Float64Array,
  slots: WinnerTree,
): Station[] {
  const { system } = dispatcher;
  const meter = new DeviceMeter(system, recorder);
  recorder.devices = meter;
  const memory = hasLoads(system) ? new ModelMemory(system, meter, slots) : null;
  const service = new Service(dispatcher, recorder, meter, memory, aloneUs, slots);
  return memory === null ? [service] : [memory, service];
}
