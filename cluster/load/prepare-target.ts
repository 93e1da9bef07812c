/**
 * Turns a user's options into a target:
 *
 *   host:port, grpc://, grpcs://       the protocol over gRPC; to our gateway by streams
 *   http(s)://host:port                the protocol's REST route of a model
 *   http(s)://host:port/any/path       that address as it is, with a body or without
 */
import { Fault } from "../../engine/basics/fault.ts";
import { InferenceClient } from "../protocol/client.ts";
import {
  GATEWAY_NAME,
  type ModelConfig,
  type ModelMetadata,
  type TextLengths,
  tandemForm,
  textLengthsOf,
} from "../protocol/hosted-models.ts";
import { type ClientAccess, getJson } from "../security/client-access.ts";
import type { DrawnPrompt } from "./drawn-prompts.ts";
import type { TargetSpecification } from "./specification.ts";
import {
  type DataTensor,
  fileBytes,
  payloadRequest,
  promptRequest,
  randomTensors,
  rawRequest,
  requestsOfFile,
} from "./tensor-inputs.ts";

export interface TargetOptions {
  readonly url: string;
  readonly models: readonly string[];
  /** Encoded images, called only for a model that takes payloads. */
  readonly images: () => Promise<readonly Uint8Array[]>;
  /** Texts for a pipeline of a Tandem gateway that has a language model; null: it gets images too. */
  readonly prompts: (model: string, lengths: TextLengths) => readonly DrawnPrompt[] | null;
  /** File with tensors in the protocol's JSON. */
  readonly inputs?: string;
  /** File for the body of requests to a plain address. */
  readonly body?: string;
  readonly contentType?: string;
  /** Default: POST with a body, GET without. */
  readonly method?: string;
  /** By Triton's streams; default: only to our own gateway. */
  readonly streamed?: boolean;
  readonly connections: number;
  /** Credentials; without TLS's, the system's authorities are trusted where the address asks for TLS. */
  readonly access: ClientAccess;
  readonly seed: string;
}

const HOST_PORT = /^(\[[\da-fA-F:]+\]|[\w.-]+):\d{1,5}$/;

/** Rejects with a Fault for an invalid address, an unreadable file, or an answer of the server. */
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
  const access = accessOver(tls || options.access.tls !== null, options.access);
  const client = new InferenceClient(address, access);
  try {
    const isOurs = (await client.serverMetadata()).name === GATEWAY_NAME;
    const about: About = {
      metadata: (model) => client.modelMetadata({ name: model }),
      config: async (name) => (await client.ask<GrpcConfig>("ModelConfig", { name })).config,
    };
    const requests = await contentsFor(options, about, {
      picture: payloadRequest,
      tensors: rawRequest,
      prompt: promptRequest,
    });
    return { kind: "grpc", address, streamed: options.streamed ?? isOurs, requests, access };
  } finally {
    client.close();
  }
}

async function restTarget(options: TargetOptions): Promise<TargetSpecification> {
  const { url, models, connections } = options;
  const access = accessOver(url.startsWith("https"), options.access);
  const json = (body: object) => ({
    type: "application/json",
    body: Buffer.from(JSON.stringify(body)),
  });
  const about: About = {
    metadata: (model) => restModel(url, model, access),
    config: async (model) => {
      const { value } = await getJson(`${modelPath(url, model)}/config`, access);
      return value as unknown as ModelConfig;
    },
  };
  const contents = await contentsFor(options, about, {
    picture: (picture) => ({ type: "application/octet-stream", body: picture }),
    tensors: (inputs) => json({ inputs }),
    prompt: ({ text, maxTokens }) =>
      json({
        inputs: [{ name: "payload", datatype: "BYTES", shape: [1], data: [text] }],
        parameters: { max_tokens: maxTokens },
      }),
  });
  const endpoints = contents.map((own, i) => ({
    url: `${modelPath(url, models[i])}/infer`,
    headers: { "content-type": own[0].type },
    bodies: own.map(({ body }) => body),
  }));
  return { kind: "http", endpoints, method: "POST", connections, access };
}

function modelPath(url: string, model: string): string {
  return `${url.replace(/\/$/, "")}/v2/models/${encodeURIComponent(model)}`;
}

/** A model's inputs and outputs, over REST. Rejects with Fault("not-found"). */
export async function restModel(
  url: string,
  model: string,
  access: ClientAccess,
): Promise<ModelMetadata> {
  const path = modelPath(url, model);
  const { status, value } = await getJson(path, access);
  if (status === 200) return value as unknown as ModelMetadata;
  throw new Fault("not-found", `${path} was answered ${status}: ${String(value.error)}`);
}

function plainTarget(options: TargetOptions): TargetSpecification {
  const { url, models, body, connections, access } = options;
  refuse(options, ["inputs", "streamed"], "a plain address");
  const bodies = body === undefined ? [] : [fileBytes(body)];
  const type = options.contentType ?? "application/octet-stream";
  const headers: Readonly<Record<string, string>> =
    body === undefined ? {} : { "content-type": type };
  return {
    kind: "http",
    endpoints: models.map(() => ({ url, headers, bodies })),
    method: (options.method ?? (body === undefined ? "GET" : "POST")).toUpperCase(),
    connections,
    access: accessOver(url.startsWith("https"), access),
  };
}

function accessOver(isTls: boolean, { tls, token }: ClientAccess): ClientAccess {
  return { tls: isTls ? (tls ?? { ca: null, pair: null, server: null }) : null, token };
}

/** A server's answers about a model. */
interface About {
  readonly metadata: (model: string) => Promise<ModelMetadata>;
  readonly config: (model: string) => Promise<Pick<ModelConfig, "parameters">>;
}

interface GrpcConfig {
  readonly config: ModelConfig;
}

/** A target turns each kind of content into its own requests. */
interface Forms<Content> {
  readonly picture: (picture: Uint8Array) => Content;
  readonly tensors: (tensors: readonly DataTensor[]) => Content;
  readonly prompt: (prompt: DrawnPrompt) => Content;
}

/**
 * By model: the given tensors; for a Tandem pipeline that takes payloads, prompts where it has a language model and else
 * pictures; else random tensors.
 */
async function contentsFor<Content>(
  { inputs: file, images, prompts, models, seed }: TargetOptions,
  about: About,
  forms: Forms<Content>,
): Promise<readonly (readonly Content[])[]> {
  if (file !== undefined) {
    const given = requestsOfFile(file).map(forms.tensors);
    return models.map(() => given);
  }
  const contents: (readonly Content[])[] = [];
  let pictures: readonly Content[] | null = null;
  for (const model of models) {
    const found = await about.metadata(model);
    const isOurs = tandemForm(found) === "gateway";
    const lengths = isOurs ? textLengthsOf(await about.config(model)) : null;
    const texts = lengths === null ? null : prompts(model, lengths);
    if (texts !== null) contents.push(texts.map(forms.prompt));
    else if (isOurs) {
      pictures ??= (await images()).map(forms.picture);
      contents.push(pictures);
    } else contents.push([forms.tensors(randomTensors(found.inputs, seed))]);
  }
  return contents;
}
