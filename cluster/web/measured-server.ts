/** Any server of the protocol over HTTP as the target of the web app's measurements. */
import { Fault } from "../../core/fault.ts";
import { HttpTarget } from "../load/http-target.ts";
import { prepareTarget } from "../load/prepare-target.ts";
import type { LoadTarget, TargetSpecification } from "../load/specification.ts";
import { clientAccessOf } from "../load/specification.ts";
import { getJson } from "../protocol/http-client.ts";
import type { ModelMetadata } from "../protocol/messages.ts";
import { encodeBytes } from "../protocol/tensors.ts";
import { JSON_LENGTH_HEADER } from "../rest/infer-body.ts";
import type { MeasureOptions } from "../rest/measure-routes.ts";
import type { Measurement } from "../rest/measurement.ts";

/** More than a browser's six, so that n at once are n at once. */
const CONNECTIONS = 1024;
/** Largest answer that a page shows. */
const KEPT_BYTES = 64 * 1024;

type HttpSpecification = Extract<TargetSpecification, { kind: "http" }>;

export function targetOver(url: string, ca: string | null): MeasureOptions {
  return {
    timedBy: "`tandem web`, each request in flight on a connection of its own",
    target: (measurement, token) =>
      openTarget(url, measurement, {
        ...(ca === null ? {} : { ca }),
        ...(token === null ? {} : { token }),
      }),
  };
}

/** Rejects with a Fault for an unknown model. */
async function openTarget(
  url: string,
  measurement: Measurement,
  access: { readonly ca?: string; readonly token?: string },
): Promise<LoadTarget> {
  const { model, seed } = measurement;
  const payloads = measurement.payloads.map((text) => Buffer.from(text, "base64"));
  const prepared = await prepareTarget({
    ...{ url, models: [model], connections: CONNECTIONS, access, seed },
    images: async () => (payloads.length > 0 ? payloads : [Buffer.alloc(0)]),
  });
  if (prepared.kind !== "http") throw new Fault("usage", `${url} is no address of HTTP`);
  const specification = prepared as HttpSpecification;
  const [endpoint] = specification.endpoints;
  const isTensors = endpoint.headers["content-type"] === "application/json";
  if (payloads.length === 0 || !isTensors) return new HttpTarget(specification, KEPT_BYTES);
  const own = { ...endpoint, ...(await bytesBodies(url, model, payloads, access)) };
  return new HttpTarget({ ...specification, endpoints: [own] }, KEPT_BYTES);
}

/** Payloads behind JSON (the binary extension), for a model whose only input is of bytes. */
async function bytesBodies(
  url: string,
  model: string,
  payloads: readonly Uint8Array[],
  access: { readonly ca?: string; readonly token?: string },
) {
  const tls = url.startsWith("https");
  const path = `${url.replace(/\/$/, "")}/v2/models/${encodeURIComponent(model)}`;
  const { value } = await getJson(path, clientAccessOf({ ...access, tls }));
  const { inputs } = value as unknown as ModelMetadata;
  const [input] = inputs;
  if (inputs.length !== 1 || input.datatype !== "BYTES") {
    const takes = inputs.map(({ name, datatype }) => `${name} (${datatype})`).join(", ");
    throw new Fault("invalid-input", `${model} takes tensors, not pictures: ${takes}`, {
      hint: "send random tensors",
    });
  }
  const shape = input.shape.map((size) => (Number(size) < 0 ? 1 : Number(size)));
  const bodies = payloads.map((payload) => {
    const raw = encodeBytes([payload]);
    const parameters = { binary_data_size: raw.length };
    const head = { inputs: [{ name: input.name, datatype: "BYTES", shape, parameters }] };
    return { json: Buffer.from(JSON.stringify(head)), raw };
  });
  // The header is one for all bodies, so their JSON gets one length.
  const length = Math.max(...bodies.map(({ json }) => json.length));
  return {
    headers: { "content-type": "application/octet-stream", [JSON_LENGTH_HEADER]: String(length) },
    bodies: bodies.map(({ json, raw }) =>
      Buffer.concat([json, Buffer.alloc(length - json.length, " "), raw]),
    ),
  };
}
