/**
 * Unmeasured requests before a run. Code that never ran is ten times slower than code that did, in
 * the generator, the gateway and every worker; the simulator predicts the latter.
 */
import { bytesTensor } from "../protocol/bytes-tensor.ts";
import type { InferenceClient } from "../protocol/client.ts";
import type { LoadSpecification } from "./specification.ts";

const MAX_REQUESTS = 1500;
const MAX_MS = 1000;
const AT_ONCE = 16;

/** Sends requests of every pipeline for a second at most; what becomes of them is no matter. */
export async function warmUp(
  client: InferenceClient,
  { pipelines, payloads }: LoadSpecification,
): Promise<void> {
  const stopAt = Date.now() + MAX_MS;
  let sent = 0;
  const sender = async (): Promise<void> => {
    while (sent < MAX_REQUESTS && Date.now() < stopAt) {
      const i = sent++;
      const { tensor, raw } = bytesTensor("payload", [payloads[i % payloads.length]]);
      const modelName = pipelines[i % pipelines.length].name;
      const message = { modelName, inputs: [tensor], rawInputContents: [raw] };
      await client.inferAsync(message, { deadline: stopAt + MAX_MS }).catch(() => undefined);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, sender));
}
