/**
 * Unmeasured requests before a run. Code that never ran is ten times slower than code that did, in
 * the generator, the gateway and every worker; the simulator predicts the latter. They go the way
 * that the run's requests will go, in bursts.
 */
import { bytesTensor } from "../protocol/bytes-tensor.ts";
import type { InferenceClient } from "../protocol/client.ts";
import type { InferStreams } from "../protocol/infer-streams.ts";
import type { LoadSpecification } from "./specification.ts";

const MAX_REQUESTS = 5000;
const MAX_MS = 1500;
const AT_ONCE = 50;

/** Sends requests of every pipeline for a second or so; what becomes of them is no matter. */
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
  for (let sent = 0; sent < MAX_REQUESTS && Date.now() < stopAt; sent += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => send(sent + i)));
  }
}
