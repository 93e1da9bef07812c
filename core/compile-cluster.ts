/** The cluster's part of a system: nodes, device slots, links, gateways and power. */
import { listOf } from "./list-of.ts";
import type { PlacedNode, Placement } from "./placement.ts";
import type { OverheadProfile } from "./profile.ts";
import type { ClusterDocument } from "./scenario/schema.ts";
import type { DeviceSystem, NodeSystem, Overheads, Sharing } from "./system.ts";

type SharingDocument = NonNullable<PlacedNode["devices"][string]["sharing"]>;

export function compileNodes(
  { network, gateway }: ClusterDocument,
  placement: Placement,
  profile: OverheadProfile | undefined,
): NodeSystem[] {
  return listOf(
    placement.nodes,
    ({ costPerHour, name, contention, zone, gbps = network?.gbps }) => {
      const apart = network?.zones?.find(
        ({ between: [a, b] }) =>
          (a === zone && b === gateway?.zone) || (b === zone && a === gateway?.zone),
      );
      return {
        name,
        contention: contention ?? profile?.contention ?? null,
        zoneRoundTripUs: (apart?.rttMs ?? 0) * 1000,
        usPerByte: gbps === undefined ? 0 : 8 / (gbps * 1000),
        costPerHour,
      };
    },
  );
}

export function compileDevices({ nodes, slots }: Placement): DeviceSystem[] {
  return listOf(slots, ({ node, kind, number }) => {
    const { name, devices, power } = nodes[node];
    const device = devices[kind];
    const nodeSlots = sum(Object.values(devices).map((each) => each.slots));
    const ofNode = power === undefined ? 0 : (power.busyWatts - power.idleWatts) / nodeSlots;
    const own = device.power === undefined ? 0 : device.power.busyWatts - device.power.idleWatts;
    return {
      name: `${name}/${kind}-${number}`,
      node,
      sharing: device.sharing === undefined ? null : compileSharing(device.sharing),
      memoryMb: device.memoryMb ?? Number.POSITIVE_INFINITY,
      busyWatts: ofNode + own,
    };
  });
}

/** null when neither a node nor a device says what it draws. */
export function idleWattsOf({ nodes }: Placement): number | null {
  const draws = nodes.flatMap(({ power, devices }) => [
    ...(power === undefined ? [] : [power.idleWatts]),
    ...Object.values(devices).flatMap((device) =>
      device.power === undefined ? [] : [device.slots * device.power.idleWatts],
    ),
  ]);
  return draws.length === 0 ? null : sum(draws);
}

export function compileOverheads(
  { network, gateway }: ClusterDocument,
  profile: OverheadProfile | undefined,
): Overheads {
  const shape = {
    sharedLinks: network?.links === "fair",
    gateways: gateway?.count ?? 1,
    assignment: gateway?.assignment ?? ("round-robin" as const),
  };
  if (profile !== undefined) {
    const { clientRoundTripUs, workerRoundTripUs } = profile;
    return { clientRoundTripUs, workerRoundTripUs, ...profile.gateway, ...shape };
  }
  const roundTrip = (ms: number | undefined): number[] =>
    ms === undefined || ms === 0 ? [] : [ms * 1000];
  return {
    clientRoundTripUs: roundTrip(network?.clientRttMs),
    workerRoundTripUs: roundTrip(network?.rttMs),
    arrivalUs: gateway?.arrivalUs ?? 0,
    dispatchUs: gateway?.dispatchUs ?? 0,
    completionUs: gateway?.completionUs ?? 0,
    ...shape,
  };
}

function compileSharing(sharing: SharingDocument): Sharing {
  switch (sharing.kind) {
    case "time-slice":
      return {
        kind: "time-slice",
        quantumUs: Math.round(sharing.quantumMs * 1000),
        switchUs: Math.round(sharing.switchUs),
      };
    case "processor-sharing":
      // One alone at full speed; beyond the curve's end its whole speed is shared.
      return { kind: "processor-sharing", slowdown: sharing.slowdown ?? [1] };
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
