/**
 * From what a user says to what is sent, and where to:
 *
 *   host:port, grpc://, grpcs://       the protocol over gRPC; ours by streams
 *   http(s)://host:port                the protocol's REST route of a model
 *   http(s)://host:port/any/path       that address as it is, with a body or without
 */
import { readFileSync } from "node:fs";
import { Fault } from "../../core/fault.ts";
import { GATEWAY_METADATA } from "../gateway/pipeline-models.ts";
import { getJson } from "../http-client.ts";
import { InferenceClient } from "../protocol/client.ts";
import type { ModelMetadata, TensorMetadata } from "../protocol/messages.ts";
import { clientAccessOf, type TargetAccess, type TargetSpecification } from "./specification.ts";
import { type DataTensor, randomTensors, rawRequest, requestsOfJson } from "./tensor-inputs.ts";

export interface TargetOptions {
  readonly url: string;
  /** Names of the models that requests go to. */
  readonly models: readonly string[];
  /** Encoded images, where the model takes such; asked for only then. */
  readonly images: () => Promise<readonly Uint8Array[]>;
  /** File with tensors in the protocol's JSON. */
  readonly inputs?: string;
  /** File that is sent as it is, to a plain address. */
  readonly body?: string;
  readonly contentType?: string;
  /** Default: POST with a body, GET without. */
  readonly method?: string;
  /** By Triton's streams; default: only to our own gateway. */
  readonly streamed?: boolean;
  readonly connections: number;
  readonly access: Omit<TargetAccess, "tls">;
  readonly seed: string;
}

const HOST_PORT = /^(\[[\da-fA-F:]+\]|[\w.-]+):\d{1,5}$/;

/** Throws a Fault where the address is none, files cannot be read, or the server does not play along. */
export async function prepareTarget(options: TargetOptions): Promise<TargetSpecification> {
  const { url } = options;
  const grpc = /^(?:(grpcs?):\/\/)?(.*?)\/?$/.exec(url);
  if (grpc !== null && HOST_PORT.test(grpc[2])) {
    refuse(options, ["body", "contentType", "method"], "the protocol over gRPC");
    return grpcTarget(options, grpc[2], grpc[1] === "grpcs");
  }
  if (/^https?:\/\//.test(url) && URL.canParse(url)) {
    const { pathname, search } = new URL(url);
    if (pathname !== "/" || search !== "") return plainTarget(options);
    refuse(options, ["body", "method", "streamed"], "the protocol over HTTP");
    return restTarget(options);
  }
  throw new Fault("usage", `--url is host:port, grpc(s)://host:port or http(s)://…; got ${url}`, {
    hint: "`tandem cluster status` shows the addresses of a cluster that is up",
  });
}

function refuse(
  options: TargetOptions,
  names: readonly (keyof TargetOptions)[],
  where: string,
): void {
  for (const name of names) {
    if (options[name] === undefined) continue;
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new Fault(
      "usage",
      `--${flag === "streamed" ? "stream" : flag} means nothing to ${where}`,
      {
        hint: "--inputs gives tensors; --body is for a plain address with a path",
      },
    );
  }
}

async function grpcTarget(
  options: TargetOptions,
  address: string,
  tls: boolean,
): Promise<TargetSpecification> {
  const access = { ...options.access, tls: tls || options.access.ca !== undefined };
  const client = new InferenceClient(address, clientAccessOf(access));
  try {
    const { name } = await client.serverMetadata();
    if (name === GATEWAY_METADATA.name && options.inputs === undefined) {
      for (const model of options.models) await client.modelMetadata({ name: model });
      return { kind: "gateway", address, payloads: await options.images(), access };
    }
    const metadata = (model: string) => client.modelMetadata({ name: model });
    const tensors = await tensorsFor(options, metadata);
    const requests = tensors.map(rawRequest);
    return { kind: "grpc", address, streamed: options.streamed ?? false, requests, access };
  } finally {
    client.close();
  }
}

async function restTarget(options: TargetOptions): Promise<TargetSpecification> {
  const { url, models, connections, access } = options;
  const tls = url.startsWith("https");
  const shown = clientAccessOf({ ...access, tls });
  const base = url.replace(/\/$/, "");
  const path = (model: string): string => `${base}/v2/models/${encodeURIComponent(model)}`;
  const metadata = async (model: string): Promise<ModelMetadata> => {
    const { status, value } = await getJson(path(model), shown);
    if (status === 200) return value as unknown as ModelMetadata;
    throw new Fault("not-found", `${path(model)} was answered ${status}: ${String(value.error)}`);
  };
  const target = {
    kind: "http",
    urls: models.map((model) => `${path(model)}/infer`),
    method: "POST",
    connections,
    access: { ...access, tls },
  } as const;
  const server = await getJson(`${base}/v2`, shown);
  if (server.value.name === GATEWAY_METADATA.name && options.inputs === undefined) {
    for (const model of models) await metadata(model);
    const headers = { "content-type": "application/octet-stream" };
    return { ...target, headers, bodies: await options.images() };
  }
  const tensors = await tensorsFor(options, metadata);
  const bodies = tensors.map((inputs) => Buffer.from(JSON.stringify({ inputs })));
  return { ...target, headers: { "content-type": "application/json" }, bodies };
}

function plainTarget(options: TargetOptions): TargetSpecification {
  const { url, models, body, connections, access } = options;
  refuse(options, ["inputs", "streamed"], "a plain address");
  const bodies = body === undefined ? [] : [fileBytes(body)];
  const type = options.contentType ?? "application/octet-stream";
  return {
    kind: "http",
    urls: models.map(() => url),
    method: (options.method ?? (body === undefined ? "GET" : "POST")).toUpperCase(),
    headers: bodies.length === 0 ? {} : { "content-type": type },
    bodies,
    connections,
    access: { ...access, tls: url.startsWith("https") },
  };
}

async function tensorsFor(
  { inputs, models, seed }: TargetOptions,
  metadata: (model: string) => Promise<ModelMetadata>,
): Promise<readonly (readonly DataTensor[])[]> {
  if (inputs !== undefined) return requestsOfJson(fileBytes(inputs).toString("utf8"), inputs);
  const known: TensorMetadata[][] = [];
  for (const model of models) known.push([...(await metadata(model)).inputs]);
  const [first] = known;
  if (known.some((other) => JSON.stringify(other) !== JSON.stringify(first))) {
    throw new Fault("usage", `models ${models.join(", ")} take different inputs`, {
      hint: "drive one at a time with --model",
    });
  }
  return [randomTensors(first, seed)];
}

function fileBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new Fault("not-found", `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}
