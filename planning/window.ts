/**
 * Loads that change: their rate over time, the window around the peak that a plan is for unless it is for the whole,
 * and the jobs per second that some stretch of time asks for.
 */
import { expectedSeconds } from "../engine/arrivals/arrival-source.ts";
import { diurnalRequests, rampRequests } from "../engine/arrivals/changing-rate.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import type { SimulationInputs } from "../sim/replication.ts";

/** Expected arrivals until each of some instants, both ascending from 0. */
export interface Arrivals {
  readonly atS: readonly number[];
  readonly count: readonly number[];
  /** A trace was counted, so its pieces vary by chance. */
  readonly isCounted?: boolean;
}

/** The part of a load that a plan is for. */
export interface Window {
  readonly fromS: number;
  readonly toS: number;
  readonly mostPerS: number;
  /** Rate of the whole load. */
  readonly meanPerS: number;
}

/** Pieces that a load is looked at in. */
const PIECES = 400;
/** The rate is at the peak while it is at least this share of the highest. */
const PEAK = 0.95;
/** Requests of a window beyond which more tell little. */
const MOST_REQUESTS = 50_000;
/** Goals before a window by which requests find the system as the load before leaves it. */
const LEAD_GOALS = 20;
/** All of a burst arrive until then. */
const BURST_S = 1e-6;

/** Null for a load that does not change, or as its clients or chance decide. */
export function arrivalsOver(
  { workload }: ScenarioDocument,
  { traces }: SimulationInputs,
): Arrivals | null {
  switch (workload.arrivals) {
    case "diurnal":
      return sampled(expectedSeconds(workload), (s) => diurnalRequests(workload, s));
    case "ramp":
      return sampled(expectedSeconds(workload), (s) => rampRequests(workload.rates, s));
    case "trace": {
      const { scale, durationS = Number.POSITIVE_INFINITY, repeat, requests } = workload;
      const instants = traces[workload.file] ?? [];
      if (repeat !== undefined || requests !== undefined) return null;
      let before = 0;
      const counted = sampled(Math.min(durationS, ((instants.at(-1) ?? 0) * scale) / 1e6), (s) => {
        while (before < instants.length && (instants[before] * scale) / 1e6 <= s) before++;
        return before;
      });
      return counted && { ...counted, isCounted: true };
    }
    case "burst":
      return { atS: [0, BURST_S], count: [0, workload.requests] };
    default:
      return null;
  }
}

function sampled(lengthS: number, until: (seconds: number) => number): Arrivals | null {
  if (lengthS === 0) return null;
  const atS = Array.from({ length: PIECES + 1 }, (_, i) => (lengthS * i) / PIECES);
  return { atS, count: atS.map(until) };
}

/** The peak and what is about as high beside it; null where that is most of the load, or its times are few. */
export function peakOf({ atS, count, isCounted = false }: Arrivals): Window | null {
  const pieceS = atS[1];
  const rates = count.slice(1).map((n, i) => (n - count[i]) / pieceS);
  const top = rates.indexOf(Math.max(...rates));
  const mostPerS = rates[top];
  const half = MOST_REQUESTS / mostPerS / 2;
  const chance = isCounted ? 3 * Math.sqrt(mostPerS / pieceS) : 0;
  const isHigh = (i: number): boolean =>
    rates[i] >= PEAK * mostPerS - chance && Math.abs(i - top) * pieceS <= half;
  let [from, to] = [top, top];
  while (from > 0 && isHigh(from - 1)) from--;
  while (to < rates.length - 1 && isHigh(to + 1)) to++;
  const meanPerS = (count.at(-1) as number) / (atS.at(-1) as number);
  if (2 * (to + 1 - from) > rates.length) return null;
  return { fromS: atS[from], toS: atS[to + 1], mostPerS, meanPerS };
}

/** The scenario with the window's load alone, after a lead that is not counted. */
export function windowed(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  { fromS, toS }: Window,
): { readonly document: ScenarioDocument; readonly inputs: SimulationInputs } {
  const { workload, pipelines } = document;
  const goalsMs = Object.values(pipelines).map(({ slo }) => slo?.latencyMs ?? 0);
  const startS = Math.max(0, fromS - Math.max(10, (LEAD_GOALS * Math.max(...goalsMs)) / 1000));
  const span = { durationS: toS - startS, warmupS: fromS - startS, requests: undefined };
  if (workload.arrivals === "trace") {
    const { file, scale } = workload;
    const [instants, first] = [inputs.traces[file], (startS * 1e6) / scale];
    const at = instants.findIndex((us) => us * scale >= startS * 1e6);
    const traces = { ...inputs.traces, [file]: instants.slice(at).map((us) => us - first) };
    const columns = Object.entries(inputs.traceColumns?.[file] ?? {});
    const cut = Object.fromEntries(columns.map(([name, values]) => [name, values.slice(at)]));
    const traceColumns = { ...inputs.traceColumns, [file]: cut };
    const part = { ...document, workload: { ...workload, ...span } } as ScenarioDocument;
    return { document: part, inputs: { ...inputs, traces, traceColumns } };
  }
  const { atS, count } = arrivalsOver(document, inputs) as Arrivals;
  const rates = atS.slice(1).flatMap((end, i) => {
    const middleS = (atS[i] + end) / 2 - startS;
    const ratePerS = (count[i + 1] - count[i]) / (end - atS[i]);
    return end < startS || atS[i] > toS ? [] : [{ atS: Math.max(0, middleS), ratePerS }];
  });
  const { client, inputSize } = workload;
  const own = { arrivals: "ramp", rates, ...span, client, inputSize } as const;
  return { document: { ...document, workload: own } as ScenarioDocument, inputs };
}

/** A share of all requests, with so many jobs each, of which the share `missed` need not be served within the grace. */
type Needed = Readonly<Record<"share" | "visits" | "missed" | "graceS", number>>;

/** Jobs per second that replicas must do: for any stretch of time its jobs but for those missed, by the end of the longest grace. */
export function neededPerS({ atS, count }: Arrivals, needs: readonly Needed[]): number {
  const graceS = Math.max(0, ...needs.map((one) => one.graceS));
  const all = count.at(-1) as number;
  let most = 0;
  for (let from = 0; from < count.length - 1; from++) {
    for (let to = from + 1; to < count.length; to++) {
      let jobs = 0;
      for (const { share, visits, missed } of needs)
        jobs += Math.max(0, share * ((count[to] - count[from]) * visits - missed * all));
      most = Math.max(most, jobs / (atS[to] - atS[from] + graceS));
    }
  }
  return most;
}
