/**
 * Costs of messages in one run: their round trips, and the gateway's work on them. A measured round
 * trip includes the gateway's work up to its handler; the simulator has that work as a cost of its
 * own, so it is subtracted here. Both must be of the same run.
 */
import type { MeasuredRun } from "../cluster/deploy/measured-run.ts";
import { hostLine } from "../cluster/worker/host-line.ts";
import type { OverheadProfile } from "../core/profile.ts";
import type { ModelWorker } from "./model-worker.ts";

export type MessageCosts = Pick<
  OverheadProfile,
  "clientRoundTripUs" | "workerRoundTripUs" | "gateway"
>;

export function messageCosts({
  clientRoundTripUs,
  workerRoundTripUs,
  costs: { receiveUs, arrivalUs, dispatchUs, completionUs },
}: MeasuredRun["overheads"]): MessageCosts {
  return {
    clientRoundTripUs: without(clientRoundTripUs, receiveUs),
    workerRoundTripUs: without(workerRoundTripUs, dispatchUs + receiveUs),
    gateway: { arrivalUs, dispatchUs, completionUs },
  };
}

function without(roundTripsUs: readonly number[], gatewayUs: number): number[] {
  const rest = roundTripsUs.map((us) => Math.max(0, us - gatewayUs));
  return equalShareMeans(rest, MAX_QUANTILES);
}

export function measuredHere(
  model: string,
  runtime: string,
  device: string,
  date: string,
): OverheadProfile["provenance"] {
  return { kind: "measured", model, modelFiles: [], device, host: hostLine(), runtime, date };
}

/** Most quantiles that a profile keeps for one batch size. */
export const MAX_QUANTILES = 200;

/** At most `count` ascending values, each the mean of an equal share of the sorted samples; all samples if they are few. */
export function equalShareMeans(samples: readonly number[], count: number): number[] {
  const sorted = [...samples].sort((a, b) => a - b);
  if (sorted.length <= count) return sorted.map(Math.round);
  const cumulative = [0];
  for (const value of sorted) cumulative.push(cumulative[cumulative.length - 1] + value);
  const share = sorted.length / count;
  // The last share may end a little beyond the last sample, by rounding.
  const upTo = (shares: number): number => {
    const at = Math.min(shares * share, sorted.length);
    const whole = Math.floor(at);
    const rest = at - whole;
    return cumulative[whole] + (rest > 0 ? rest * sorted[whole] : 0);
  };
  return Array.from({ length: count }, (_, i) => Math.round((upTo(i + 1) - upTo(i)) / share));
}

type Links = NonNullable<OverheadProfile["links"]>;

const WARMUP_CALLS = 10;
const CALLS = 100;
/** Bytes of payloads, and how often each is sent. */
const PAYLOADS = [
  [64 * 1024, 20],
  [512 * 1024, 10],
  [4 * 1024 * 1024, 5],
] as const;

/** One link after another: `workers`, by the node's name, answer at once. Nodes of one machine share its link. */
export async function measureLinks(workers: ReadonlyMap<string, ModelWorker>): Promise<Links> {
  const links: Record<string, Links[string]> = {};
  const known = new Map<ModelWorker, Links[string]>();
  for (const [node, worker] of workers) {
    const link = known.get(worker) ?? (await measureLink(worker));
    known.set(worker, link);
    links[node] = link;
  }
  return links;
}

async function measureLink(worker: ModelWorker): Promise<Links[string]> {
  await roundTripsUs(worker, 0, WARMUP_CALLS);
  const rttUs = await roundTripsUs(worker, 0, CALLS);
  const payloads = [];
  for (const [bytes, calls] of PAYLOADS) {
    const us = await roundTripsUs(worker, bytes, calls);
    payloads.push({ bytes, roundTripUs: equalShareMeans(us, MAX_QUANTILES) });
  }
  return { rttUs: equalShareMeans(rttUs, MAX_QUANTILES), payloads, gbps: gbpsOf(rttUs, payloads) };
}

/** Time from the call to its answer, without the service time. */
async function roundTripsUs(worker: ModelWorker, bytes: number, calls: number): Promise<number[]> {
  const job = { payload: new Uint8Array(bytes), upstream: "{}", tensors: {} };
  const times: number[] = [];
  for (let i = 0; i < calls; i++) {
    const startMs = performance.now();
    const { serviceUs } = await worker.call([job]);
    times.push(Math.max(0, (performance.now() - startMs) * 1000 - serviceUs));
  }
  return times;
}

/** The bandwidth follows from the median time of the largest payload, which includes copies and encryption. */
function gbpsOf(
  rttUs: readonly number[],
  payloads: readonly { readonly bytes: number; readonly roundTripUs: readonly number[] }[],
): number {
  const { bytes, roundTripUs } = payloads[payloads.length - 1];
  const us = Math.max(1, median(roundTripUs) - median(rttUs));
  return Number(((8 * bytes) / (us * 1000)).toPrecision(3));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
