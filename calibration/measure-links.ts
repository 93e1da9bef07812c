/** Links from this machine to those of the workers: round trips, and bandwidth by payload. */
import type { OverheadProfile } from "../core/profile.ts";
import { equalShareMeans, MAX_QUANTILES } from "./message-costs.ts";
import type { ModelWorker } from "./model-worker.ts";

export type Links = NonNullable<OverheadProfile["links"]>;

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
