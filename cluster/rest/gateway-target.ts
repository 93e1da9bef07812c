/** The gateway's own pipelines as the target of a load: requests are submitted here, not by HTTP. */
import { callPipeline } from "../front/pipeline-call.ts";
import type { PipelineModels } from "../front/pipeline-models.ts";
import { OUTPUT, PAYLOAD } from "../front/pipeline-tensors.ts";
import type { LoadTarget } from "../load/specification.ts";
import { payloadRequest, randomTensors, rawRequest } from "../load/tensor-inputs.ts";
import type { ModelInferResponse, RequestContents } from "../protocol/messages.ts";
import { outputText } from "../protocol/tensors.ts";

/** `payloads` in base64; none: tensors at random where the pipeline takes tensors. */
export function gatewayTarget(
  models: PipelineModels,
  model: string,
  payloads: readonly string[],
): LoadTarget {
  let contents: readonly RequestContents[] = payloads.map((text) =>
    payloadRequest(Buffer.from(text, "base64")),
  );
  return {
    /** Rejects with Fault("not-found") for an unknown model. */
    async connect() {
      const pipeline = models.named(model);
      if (contents.length > 0) return;
      await pipeline.learn();
      const { inputs } = pipeline.metadata;
      const isPayload = inputs.length === 1 && inputs[0].name === PAYLOAD;
      contents = [
        isPayload ? payloadRequest(Buffer.alloc(0)) : rawRequest(randomTensors(inputs, "measure")),
      ];
    },
    send({ request }, ended) {
      // The JSON of the tasks, also where the last of them give tensors.
      const asked = { modelName: model, outputs: [{ name: OUTPUT }] };
      const call = {
        request: { ...asked, ...contents[request % contents.length] },
        deadlineMs: undefined,
      };
      try {
        return callPipeline(models, call, (error, response, outcome) => {
          ended({ outcome, ...told(error, response) });
        });
      } catch (error) {
        // Later, as an answer: the caller may send its next request at once.
        setImmediate(() => ended({ outcome: "refused", ...told(error as Error, null) }));
        return () => undefined;
      }
    },
    close: async () => undefined,
  };
}

function told(error: Error | null, response: ModelInferResponse | null) {
  if (response === null) {
    const message = error?.message ?? "no answer";
    return { status: message, error: message };
  }
  return { status: "OK", error: null, body: outputText(response) };
}
