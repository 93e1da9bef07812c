/**
 * What serving costs apart from models: a pipeline of one no-op task through a real gateway and a
 * real worker, sent as many bytes as the real pipeline gets, under light open-loop load.
 */

import { startDeployment } from "../cluster/deploy/deployment.ts";
import { measuredRun } from "../cluster/deploy/measured-run.ts";
import { payloadRequest } from "../cluster/load/tensor-inputs.ts";
import type { RequestContents } from "../cluster/protocol/messages.ts";
import { Fault } from "../core/fault.ts";
import { scenarioSchema } from "../core/scenario/schema.ts";
import { type MessageCosts, messageCosts } from "./message-costs.ts";

const RATE_PER_S = 40;
const WARMUP_S = 1;

/** Runs for `seconds` and a second of warm-up. Throws Fault("unhealthy") when nothing was answered. */
export async function measureOverheads(
  contents: readonly RequestContents[],
  seconds: number,
): Promise<MessageCosts> {
  const document = scenarioSchema.parse({
    name: "overheads",
    pipelines: { "no-op": { tasks: { "no-op": { model: "no-op" } } } },
    models: {
      "no-op": {
        service: { distribution: "deterministic", meanMs: 0.001 },
        implementation: { name: "no-op" },
      },
    },
    cluster: { replicas: { "no-op": 1 } },
    workload: {
      arrivals: "poisson",
      ratePerS: RATE_PER_S,
      durationS: WARMUP_S + seconds,
      warmupS: WARMUP_S,
    },
  });
  const payloads = contents.map(({ rawInputContents = [] }) =>
    payloadRequest(Buffer.concat(rawInputContents)),
  );
  const inputs = { profiles: {}, traces: {} };
  const seed = "calibration/overheads";
  const deployment = await startDeployment({ document, inputs, backend: "onnx", seed });
  try {
    const { overheads } = await measuredRun(deployment, {
      document,
      inputs,
      seed,
      contents: () => payloads,
      timeScale: 1,
    });
    if (overheads.clientRoundTripUs.length === 0 || overheads.workerRoundTripUs.length === 0) {
      throw new Fault("unhealthy", "no request of the overhead measurement was answered");
    }
    return messageCosts(overheads);
  } finally {
    await deployment.stop();
  }
}
