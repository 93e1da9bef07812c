/** What the gateway says of itself and of its pipelines. */
import type { ModelMetadata } from "../protocol/messages.ts";
import { bytesMetadata } from "../protocol/server.ts";
import type { Gateway } from "./gateway.ts";

export const GATEWAY_METADATA = { name: "tandem-gateway", version: "1", extensions: [] };

/** Metadata of a pipeline as a model. Throws Fault("not-found"). */
export function pipelineMetadata(gateway: Gateway, name: string): ModelMetadata {
  gateway.pipelineNamed(name);
  return {
    name,
    versions: ["1"],
    platform: "tandem_pipeline",
    inputs: bytesMetadata("payload"),
    outputs: bytesMetadata("output"),
  };
}
