/** Costs of serving without models, where some model of a pipeline cannot run: a no-op through gateway and worker. */
import { payloadRequest } from "../cluster/load/tensor-inputs.ts";
import type { RequestContents } from "../cluster/protocol/messages.ts";
import { Fault } from "../engine/basics/fault.ts";
import type { LoadedInventory } from "../scenario/inventory/read-inventory.ts";
import { type ScenarioDocument, scenarioSchema } from "../scenario/schema/scenario.ts";
import { messageCosts } from "./message-costs.ts";
import type { MessageCosts } from "./paced-messages.ts";
import { runsOnDeployment } from "./real-runs.ts";

const NO_OP_PER_S = 40;
const NO_OP_WARMUP_S = 1;

/**
 * Costs of serving without models: a pipeline of one no-op task through a real gateway and a real
 * worker, with as many bytes as the real pipeline gets, under light open-loop load. Runs for
 * `seconds` and a second of warm-up. Throws Fault("unhealthy") when nothing was answered.
 */
export async function measureOverheads(
  contents: readonly RequestContents[],
  seconds: number,
  where?: {
    readonly inventory: LoadedInventory;
    readonly nodes: ScenarioDocument["cluster"]["nodes"];
  },
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
    cluster: { replicas: { "no-op": 1 }, nodes: where?.nodes },
    workload: {
      arrivals: "poisson",
      ratePerS: NO_OP_PER_S,
      durationS: NO_OP_WARMUP_S + seconds,
      warmupS: NO_OP_WARMUP_S,
    },
  });
  const payloads = contents.map(({ rawInputContents = [] }) =>
    payloadRequest(Buffer.concat(rawInputContents)),
  );
  const inputs = { profiles: {}, traces: {} };
  const seed = "calibration/overheads";
  const options = { document, inputs, backend: "onnx", seed, inventory: where?.inventory } as const;
  const { overheads } = await runsOnDeployment(
    options,
    () => payloads,
    (run) => run(seed),
  );
  if (overheads.clientRoundTripUs.length === 0 || overheads.workerRoundTripUs.length === 0) {
    throw new Fault("unhealthy", "no request of the overhead measurement was answered");
  }
  return messageCosts(overheads);
}
