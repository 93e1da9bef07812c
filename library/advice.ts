/** Advice where nothing meets the SLO: it names what binds, and is simulated before it is given. */
import { Fault } from "../engine/basics/fault.ts";
import { finished } from "../engine/basics/iterables.ts";
import { formatNumber, plural } from "../reports/tables/format.ts";
import { checkedSweep } from "../scenario/expand-sweep.ts";
import type { LoadedScenario } from "../scenario/reading/files.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import {
  configurationLoad,
  runReplication,
  type SimulationInputs,
  withWarmUp,
} from "../sim/replication.ts";

const REPLICATIONS = 3;
/** Longer runs are cut. */
const MOST_EVENTS = 200_000;
/** More replicas are to leave the busiest task so much idle. */
const BUSY = 0.8;
/** A smaller gain, as a share of the requests, is none. */
const GAIN = 0.005;

/**
 * For one configuration of `loaded`. Undefined where the traffic equations do not reach, or no count of replicas can be
 * changed.
 */
export function adviceFor(
  loaded: LoadedScenario,
  document: ScenarioDocument,
  inputs: SimulationInputs,
): string | undefined {
  const load = configurationLoad(document, inputs);
  const { replicas } = document.cluster;
  if (load === null || document.cluster.placement !== undefined) return undefined;
  const [task, count] =
    Object.entries(replicas).find(([name]) => name === load.station) ??
    Object.entries(replicas).toSorted(([, a], [, b]) => a - b)[0] ??
    [];
  if (task === undefined || count === undefined) return undefined;
  const more = Math.max(1, Math.ceil((count * load.ratio) / BUSY) - count);
  const what = `${plural(more, "more replica", "more replicas")} of ${task}`;
  const sweep = { [`cluster.replicas.${task}`]: [count + more] };
  const before = attained(document, inputs);
  const after = tried(() => {
    const larger = checkedSweep({ ...loaded, document: { ...document, sweep } }).at(0);
    return attained(larger.document, inputs);
  });
  const binds = `its busiest station is ${load.station}`;
  if (after === undefined) {
    return `${binds}; the nodes have no room for ${what}: more nodes, a faster device or model`;
  }
  const figures = `${percent(before)} → ${percent(after)} % within the SLO, simulated`;
  return after - before < GAIN
    ? `${binds}; ${what} would not help (${figures}): a faster model or device, larger batches, or less load`
    : `${binds}; ${what}: ${figures}`;
}

/** The mean share of requests within the SLO. */
function attained(given: ScenarioDocument, inputs: SimulationInputs): number {
  const { document } = finished(withWarmUp(given, inputs));
  let sum = 0;
  for (let replication = 0; replication < REPLICATIONS; replication++) {
    const options = { maxEvents: MOST_EVENTS };
    const { summary } = runReplication(document, inputs, replication, options);
    sum += summary.metrics.sloAttainmentRatio ?? 0;
  }
  return sum / REPLICATIONS;
}

/** Undefined for a configuration that is refused. */
function tried<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

function percent(share: number): string {
  return formatNumber(100 * share);
}
