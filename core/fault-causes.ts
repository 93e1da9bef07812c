/** The faults of a scenario: which replicas each hits, and when, in whole µs. */
import type { PlacedNode } from "./placement.ts";
import { shapeOf } from "./random/sampler.ts";
import type { FaultsDocument } from "./scenario/schema.ts";
import { VariableService } from "./service.ts";
import type {
  Detection,
  FaultCause,
  FaultSystem,
  PoolSystem,
  ReplicaSystem,
  Timing,
} from "./system.ts";

/**
 * The instant at which the gateway notices a replica that is silent since `sinceUs`: `failures` health
 * checks in a row, sent at whole multiples of the interval, have each waited for the time-out.
 */
export function noticedUs({ intervalUs, timeoutUs, failures }: Detection, sinceUs: number): number {
  const firstUs = intervalUs === 0 ? sinceUs : Math.ceil(sinceUs / intervalUs) * intervalUs;
  return firstUs + (failures - 1) * intervalUs + timeoutUs;
}

/**
 * Share of its full speed that a replica has in the long run: mtbf / (mtbf + mttr) for each random crash or
 * partition, and the mean speed for each random slow-down. Repeated work is not counted.
 */
export function speedShare(faults: FaultSystem | null, replica: number): number {
  let share = 1;
  for (const { kind, replicas, factor, timing } of faults?.causes ?? []) {
    if (timing.kind === "once" || !replicas.includes(replica)) continue;
    const up = timing.upUs / (timing.upUs + timing.downUs);
    share *= kind === "slow" ? up + (1 - up) / factor : up;
  }
  return share;
}

type Entry = FaultsDocument["random"][number] | FaultsDocument["scheduled"][number];

interface Target {
  readonly name: string;
  readonly replicas: readonly number[];
}

/** Replicas with services that faults can slow, and the faults; unchanged without a `faults` section. */
export function breakable(
  document: FaultsDocument | undefined,
  replicas: readonly ReplicaSystem[],
  pools: readonly PoolSystem[],
  nodes: readonly PlacedNode[],
): { readonly replicas: readonly ReplicaSystem[]; readonly faults: FaultSystem | null } {
  if (document === undefined) return { replicas, faults: null };
  const causes = faultCauses(document, replicas, pools, nodes);
  const slowed = causes.flatMap((cause) => (cause.kind === "slow" ? cause.replicas : []));
  const slowable = new Map(
    slowed.map((replica) => {
      const { service } = replicas[replica];
      const known = service instanceof VariableService;
      return [replica, known ? service : new VariableService(service)];
    }),
  );
  return {
    replicas: replicas.map((replica, id) => {
      const service = slowable.get(id);
      return service === undefined ? replica : { ...replica, service };
    }),
    faults: { causes, detection: detectionOf(document), slowable },
  };
}

/** The document has passed `check-changes.ts`. */
function faultCauses(
  document: FaultsDocument,
  replicas: readonly ReplicaSystem[],
  pools: readonly PoolSystem[],
  nodes: readonly PlacedNode[],
): readonly FaultCause[] {
  const seen = new Map<string, number>();
  const cause = (entry: Entry, { name, replicas: hit }: Target, timing: Timing): FaultCause => {
    const plain = `faults/${entry.kind}/${name}`;
    const count = (seen.get(plain) ?? 0) + 1;
    seen.set(plain, count);
    const { kind, factor = 1 } = entry;
    return { kind, name: count === 1 ? plain : `${plain}/${count}`, replicas: hit, factor, timing };
  };
  const random = document.random.flatMap((entry) => {
    const timing: Timing = {
      kind: "renewal",
      upUs: entry.mtbfS * 1e6,
      up: shapeOf(entry.uptime),
      downUs: entry.mttrS * 1e6,
      down: shapeOf(entry.repair),
    };
    return targets(entry, replicas, pools, nodes).map((target) => cause(entry, target, timing));
  });
  const scheduled = document.scheduled.map((entry) => {
    const { atS, forS = Number.POSITIVE_INFINITY } = entry;
    const hit = targets(entry, replicas, pools, nodes).flatMap((target) => target.replicas);
    const name = entry.node ?? entry.task ?? (entry.replica as string);
    const timing: Timing = {
      kind: "once",
      atUs: Math.round(atS * 1e6),
      forUs: Math.round(forS * 1e6),
    };
    return cause(entry, { name, replicas: hit }, timing);
  });
  return [...random, ...scheduled];
}

function detectionOf({ detection }: FaultsDocument): Detection {
  return {
    intervalUs: Math.round(detection.intervalMs * 1000),
    timeoutUs: Math.round(detection.timeoutMs * 1000),
    failures: detection.failures,
  };
}

/** The units that fail independently: each machine of a node, each replica of a task. */
function targets(
  { node, task, replica }: Entry,
  replicas: readonly ReplicaSystem[],
  pools: readonly PoolSystem[],
  nodes: readonly PlacedNode[],
): readonly Target[] {
  if (node !== undefined) {
    return nodes.flatMap((placed, id) => {
      if (placed.group !== node && placed.name !== node) return [];
      const on = replicas.flatMap((other, i) => (other.node === id ? [i] : []));
      return [{ name: `node/${placed.name}`, replicas: on }];
    });
  }
  return replicas.flatMap((other, id) =>
    other.name === replica || pools[other.pool].name === task || pools[other.pool].task === task
      ? [{ name: `replica/${other.name}`, replicas: [id] }]
      : [],
  );
}
