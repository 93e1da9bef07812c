/**
 * Unmeasured requests before a run. Code that never ran is ten times slower than code that did, in
 * the generator, the gateway and every worker; the simulator predicts the latter. They go the way
 * that the run's requests will go, in bursts.
 */
import { performance } from "node:perf_hooks";
import { bytesTensor } from "../protocol/bytes-tensor.ts";
import type { InferenceClient } from "../protocol/client.ts";
import type { InferStreams } from "../protocol/infer-streams.ts";
import type { LoadSpecification } from "./specification.ts";

/** Requests in a burst: from the least on, twice as many while a burst takes no longer than this. */
const LEAST_AT_ONCE = 2;
const MOST_AT_ONCE = 50;
const BURST_MS = 100;
/** A new deployment needs some seconds; one that ran before is as fast as it gets after less. */
const MAX_MS = 4000;
/** Warm is what has not become faster by this share for this long, by its fastest burst. */
const GAIN = 0.05;
const SETTLED_MS = 750;

/** Bursts over every pipeline until they get no faster; what becomes of the requests is no matter. */
export async function warmUp(
  client: InferenceClient,
  streams: InferStreams,
  { pipelines, payloads, deadlineMs, numbered }: LoadSpecification,
): Promise<void> {
  const stopAt = Date.now() + MAX_MS;
  const payload = payloads.map((bytes) => bytesTensor("payload", [bytes]));
  const send = (i: number): Promise<void> => {
    const { tensor, raw } = payload[i % payload.length];
    const modelName = pipelines[i % pipelines.length].name;
    const message = {
      modelName,
      ...(numbered
        ? { parameters: { index: { int64Param: i }, intended_us: { int64Param: 0 } } }
        : {}),
      inputs: [tensor],
      rawInputContents: [raw],
    };
    return new Promise((resolve) => {
      if (deadlineMs === null) streams.infer(message, () => resolve());
      else client.infer(message, { deadline: stopAt + MAX_MS }, () => resolve());
    });
  };
  let atOnce = LEAST_AT_ONCE;
  let fastestMs = Number.POSITIVE_INFINITY;
  let gainedAt = performance.now();
  for (let sent = 0; Date.now() < stopAt; ) {
    const startMs = performance.now();
    if (startMs - gainedAt > SETTLED_MS) return;
    await Promise.all(Array.from({ length: atOnce }, () => send(sent++)));
    const tookMs = performance.now() - startMs;
    if (atOnce < MOST_AT_ONCE && tookMs < BURST_MS) {
      atOnce = Math.min(MOST_AT_ONCE, atOnce * 2);
      fastestMs = Number.POSITIVE_INFINITY;
    } else if (tookMs < fastestMs * (1 - GAIN)) {
      fastestMs = tookMs;
      gainedAt = performance.now();
    }
  }
}
