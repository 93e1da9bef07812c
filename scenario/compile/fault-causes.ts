/** The faults of a scenario: which replicas each hits, and when, in whole µs. */

import { shapeOf } from "../../engine/random/sampler.ts";
import { VariableService } from "../../engine/service/service.ts";
import type { FaultCause, FaultSystem, Timing } from "../../engine/system/faults.ts";
import type { PoolSystem, ReplicaSystem } from "../../engine/system/system.ts";
import type { FaultsDocument } from "../schema/scenario.ts";
import type { PlacedNode } from "./placement.ts";

type Entry = FaultsDocument["random"][number] | FaultsDocument["scheduled"][number];

interface Target {
  readonly name: string;
  readonly replicas: readonly number[];
}

/** All that faults can hit. */
interface Hardware {
  readonly replicas: readonly ReplicaSystem[];
  readonly pools: readonly PoolSystem[];
  readonly nodes: readonly PlacedNode[];
}

/** Replicas with services that faults can slow, and the faults; unchanged without a `faults` section. */
export function breakable(
  document: FaultsDocument | undefined,
  hardware: Hardware,
): { readonly replicas: readonly ReplicaSystem[]; readonly faults: FaultSystem | null } {
  const { replicas } = hardware;
  if (document === undefined) return { replicas, faults: null };
  const causes = faultCauses(document, hardware);
  const slowed = causes.flatMap((cause) => (cause.kind === "slow" ? cause.replicas : []));
  const slowable = new Map(
    slowed.map((replica) => {
      const { service } = replicas[replica];
      const known = service instanceof VariableService;
      return [replica, known ? service : new VariableService(service)];
    }),
  );
  const { intervalMs, timeoutMs, failures } = document.detection;
  const detection = {
    intervalUs: Math.round(intervalMs * 1000),
    timeoutUs: Math.round(timeoutMs * 1000),
    failures,
  };
  return {
    replicas: replicas.map((replica, id) => {
      const service = slowable.get(id);
      return service === undefined ? replica : { ...replica, service };
    }),
    faults: { causes, detection, slowable },
  };
}

/** The document has passed `check-changes.ts`. */
function faultCauses(document: FaultsDocument, hardware: Hardware): readonly FaultCause[] {
  const seen = new Map<string, number>();
  const cause = (entry: Entry, { name, replicas }: Target, timing: Timing): FaultCause => {
    const plain = `faults/${entry.kind}/${name}`;
    const count = (seen.get(plain) ?? 0) + 1;
    seen.set(plain, count);
    const { kind, factor = 1 } = entry;
    return { kind, name: count === 1 ? plain : `${plain}/${count}`, replicas, factor, timing };
  };
  const random = document.random.flatMap((entry) => {
    const { mtbfS, mttrS, uptime, repair } = entry;
    const timing: Timing = {
      kind: "renewal",
      upUs: mtbfS * 1e6,
      up: shapeOf(uptime),
      downUs: mttrS * 1e6,
      down: shapeOf(repair),
    };
    return targets(entry, hardware).map((target) => cause(entry, target, timing));
  });
  const scheduled = document.scheduled.map((entry) => {
    const { atS, forS = Number.POSITIVE_INFINITY } = entry;
    const replicas = targets(entry, hardware).flatMap((target) => target.replicas);
    const name = entry.node ?? entry.task ?? (entry.replica as string);
    const [atUs, forUs] = [atS, forS].map((seconds) => Math.round(seconds * 1e6));
    return cause(entry, { name, replicas }, { kind: "once", atUs, forUs });
  });
  return [...random, ...scheduled];
}

/** The units that fail independently: each machine of a node, each replica of a task. */
function targets(
  { node, task, replica }: Entry,
  { replicas, pools, nodes }: Hardware,
): readonly Target[] {
  if (node !== undefined) {
    return nodes.flatMap((placed, id) => {
      if (placed.group !== node && placed.name !== node) return [];
      const on = replicas.flatMap((other, i) => (other.node === id ? [i] : []));
      return [{ name: `node/${placed.name}`, replicas: on }];
    });
  }
  const units = new Map<string, number[]>();
  replicas.forEach(({ name, pool }, id) => {
    // The places of a language model's replica fail together.
    const unit = pools[pool].places === 1 ? name : name.slice(0, name.lastIndexOf("/"));
    if (unit !== replica && pools[pool].name !== task && pools[pool].task !== task) return;
    units.set(unit, [...(units.get(unit) ?? []), id]);
  });
  return [...units].map(([name, ids]) => ({ name: `replica/${name}`, replicas: ids }));
}
