/** The route that infers: what comes in which form, and what is answered in which. */

import { Fault } from "../../core/fault.ts";
import { callPipeline } from "../gateway/pipeline-call.ts";
import type { PipelineModels } from "../gateway/pipeline-models.ts";
import {
  deadlineOf,
  type ModelInferRequest,
  type ModelInferResponse,
  REQUEST_ID_HEADER,
  TRACEPARENT,
} from "../protocol/messages.ts";
import { elementsOf } from "../protocol/tensors.ts";
import type { PictureFormat } from "./annotate.ts";
import {
  headOf,
  inferReply,
  JSON_LENGTH_HEADER,
  parseInfer,
  payloadRequest,
  payloadRequestForJson,
  unpackedBody,
} from "./infer-body.ts";
import { formFiles } from "./multipart.ts";
import { json, type Reply, type RestCall } from "./route.ts";
import { errorReply } from "./router.ts";
import { textOf } from "./tensor-json.ts";

/** Bodies that are the payload, as they are. */
const PAYLOAD_TYPE = /^(image\/|application\/octet-stream)/i;
const FORM_TYPE = /^multipart\/form-data\b/i;
const PICTURE_TYPE = /image\/(png|jpeg|webp)/;

export async function inferRoute(models: PipelineModels, call: RestCall): Promise<Reply> {
  const { model, version } = call.params;
  models.named(model, version);
  const type = call.headers["content-type"] ?? "";
  const picture = pictureFormat(call);
  if (FORM_TYPE.test(type)) return inferForm(models, call, picture);
  const body = await unpackedBody(call);
  const isPayload = PAYLOAD_TYPE.test(type) && Number(call.headers[JSON_LENGTH_HEADER] ?? 0) === 0;
  if (isPayload) return inferPayload(models, call, body, picture);
  const { message, isBinary } = parseInfer(call, body);
  if (call.headers[REQUEST_ID_HEADER] === undefined) call.rename(message.id);
  const response = await answerOf(models, call, message);
  return withTrace(response, inferReply(response, isBinary));
}

/** The picture format that the caller asks for, if it does not ask for JSON. */
function pictureFormat({ headers }: RestCall): PictureFormat | null {
  const accept = headers.accept ?? "";
  if (accept.includes("json")) return null;
  return (PICTURE_TYPE.exec(accept)?.[1] as PictureFormat | undefined) ?? null;
}

async function inferPayload(
  models: PipelineModels,
  call: RestCall,
  payload: Uint8Array,
  picture: PictureFormat | null,
): Promise<Reply> {
  const { model } = call.params;
  if (picture === null) {
    const response = await answerOf(models, call, payloadRequest(model, payload));
    return withTrace(
      response,
      inferReply(response, () => false),
    );
  }
  const response = await answerOf(models, call, payloadRequestForJson(model, payload));
  const [text] = textsOf(response);
  const { outputs } = JSON.parse(text) as { readonly outputs: Record<string, unknown> };
  // What draws takes a while to load, and few ask for it.
  const { annotated } = await import("./annotate.ts");
  const body = await annotated(payload, outputs, picture);
  return withTrace(response, { status: 200, contentType: `image/${picture}`, body });
}

/** The reply tells the span that stands for the call, where there is one. */
function withTrace({ parameters }: ModelInferResponse, reply: Reply): Reply {
  const traceparent = parameters?.[TRACEPARENT]?.stringParam;
  if (traceparent === undefined) return reply;
  return { ...reply, headers: { ...reply.headers, [TRACEPARENT]: traceparent } };
}

function headerOf({ headers, requestId }: RestCall, name: string): string | undefined {
  if (name === REQUEST_ID_HEADER) return requestId;
  const value = headers[name];
  return typeof value === "string" ? value : undefined;
}

/** Each file is a request of its own; one that fails does not take the others along. */
async function inferForm(
  models: PipelineModels,
  call: RestCall,
  picture: PictureFormat | null,
): Promise<Reply> {
  const files = await formFiles(call);
  if (files.length === 1) return inferPayload(models, call, files[0].bytes, picture);
  if (picture !== null) {
    throw new Fault("invalid-input", `one picture is drawn on, the form has ${files.length}`);
  }
  const { model } = call.params;
  const answers = await Promise.allSettled(
    files.map(({ bytes }) => answerOf(models, call, payloadRequestForJson(model, bytes))),
  );
  const done = answers.find((answer) => answer.status === "fulfilled");
  if (done === undefined) throw (answers[0] as PromiseRejectedResult).reason;
  const data = answers.map((answer) =>
    answer.status === "fulfilled"
      ? textsOf(answer.value)[0]
      : JSON.stringify(errorReply(answer.reason).body),
  );
  return json({
    ...headOf(done.value),
    files: files.map(({ name }) => name),
    outputs: [{ name: "output", datatype: "BYTES", shape: [files.length], data }],
  });
}

function answerOf(
  models: PipelineModels,
  call: RestCall,
  given: ModelInferRequest,
): Promise<ModelInferResponse> {
  const request = withKey(call, given);
  const header = (name: string): string | undefined => headerOf(call, name);
  const pipelineCall = { request, deadlineMs: timeoutOf(call, request), header };
  return new Promise((resolve, reject) => {
    const cancel = callPipeline(models, pipelineCall, (error, response) => {
      if (response === null) reject(error);
      else resolve(response);
    });
    call.onGone(cancel);
  });
}

function textsOf({ outputs, rawOutputContents = [] }: ModelInferResponse): readonly string[] {
  return (elementsOf(outputs, rawOutputContents, "output") ?? []).map(textOf);
}

/** The header's idempotency key is as good as the parameter. */
function withKey({ headers }: RestCall, message: ModelInferRequest): ModelInferRequest {
  const key = headers["idempotency-key"];
  if (key === undefined) return message;
  const parameters = { ...message.parameters, idempotency_key: { stringParam: String(key) } };
  return { ...message, parameters };
}

/** The header's timeout, in seconds as usual, or the parameter's milliseconds. */
function timeoutOf({ headers }: RestCall, message: ModelInferRequest): number | undefined {
  const given = headers["request-timeout"];
  if (given === undefined) return deadlineOf(message);
  const seconds = Number(given);
  if (seconds > 0) return seconds * 1000;
  throw new Fault("invalid-input", `request-timeout is ${JSON.stringify(given)}, not seconds`);
}
