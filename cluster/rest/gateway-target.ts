/** The gateway's own pipelines as the target of a load: requests are submitted here, not by HTTP. */
import { callPipeline } from "../front/pipeline-call.ts";
import type { PipelineModels } from "../front/pipeline-models.ts";
import { OUTPUT, PAYLOAD } from "../front/pipeline-tensors.ts";
import type { LoadAnswer, LoadCall, LoadTarget } from "../load/specification.ts";
import { payloadRequest, randomTensors, rawRequest } from "../load/tensor-inputs.ts";
import type { ModelInferResponse, RequestContents } from "../protocol/messages.ts";
import { outputText } from "../protocol/tensors.ts";

export class GatewayTarget implements LoadTarget {
  readonly #models: PipelineModels;
  readonly #model: string;
  #contents: readonly RequestContents[];

  /** `payloads` in base64; none: tensors at random where the pipeline takes tensors. */
  constructor(models: PipelineModels, model: string, payloads: readonly string[]) {
    this.#models = models;
    this.#model = model;
    this.#contents = payloads.map((text) => payloadRequest(Buffer.from(text, "base64")));
  }

  /** Rejects with Fault("not-found") for an unknown model. */
  async connect(): Promise<void> {
    const pipeline = this.#models.named(this.#model);
    if (this.#contents.length > 0) return;
    await pipeline.learn();
    const { inputs } = pipeline.metadata;
    const isPayload = inputs.length === 1 && inputs[0].name === PAYLOAD;
    this.#contents = [
      isPayload ? payloadRequest(Buffer.alloc(0)) : rawRequest(randomTensors(inputs, "measure")),
    ];
  }

  send({ request }: LoadCall, ended: (answer: LoadAnswer) => void): () => void {
    const call = {
      // The JSON of the tasks, also where the last of them give tensors.
      request: {
        modelName: this.#model,
        outputs: [{ name: OUTPUT }],
        ...this.#contents[request % this.#contents.length],
      },
      deadlineMs: undefined,
    };
    try {
      return callPipeline(this.#models, call, (error, response, outcome) => {
        ended({ outcome, ...told(error, response) });
      });
    } catch (error) {
      // Later, as an answer: the caller may send its next request at once.
      setImmediate(() => ended({ outcome: "refused", ...told(error as Error, null) }));
      return () => undefined;
    }
  }

  async close(): Promise<void> {}
}

function told(error: Error | null, response: ModelInferResponse | null) {
  if (response === null) {
    const message = error?.message ?? "no answer";
    return { status: message, error: message };
  }
  return { status: "OK", error: null, body: outputText(response) };
}
