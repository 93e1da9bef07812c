/** The gateway's pipelines as models: what it says of them and of itself. */
import { type HostedModel, type HostedModels, modelNamed } from "../protocol/hosted-models.ts";
import { ModelCounts } from "../protocol/model-counts.ts";
import { bytesMetadata, EXTENSIONS } from "../protocol/server.ts";
import type { Gateway } from "./gateway.ts";

export const GATEWAY_METADATA = {
  name: "tandem-gateway",
  version: "1",
  extensions: ["binary_tensor_data", ...EXTENSIONS],
};

/** A pipeline that can be called. */
export interface PipelineModel extends HostedModel {
  /** The system's number of it. */
  readonly pipeline: number;
}

export class PipelineModels {
  readonly gateway: Gateway;
  readonly byName: HostedModels & ReadonlyMap<string, PipelineModel>;

  constructor(gateway: Gateway) {
    this.gateway = gateway;
    this.byName = new Map(
      gateway.system.pipelines.map(({ name }, pipeline) => [
        name,
        {
          pipeline,
          metadata: {
            name,
            versions: ["1"],
            platform: "tandem_pipeline",
            inputs: bytesMetadata("payload"),
            outputs: bytesMetadata("output"),
          },
          counts: new ModelCounts(),
          ready: () => gateway.ready,
        },
      ]),
    );
  }

  /** Throws Fault("not-found"). Without a version, the only one. */
  named(name: string, version?: string): PipelineModel {
    return modelNamed(this.byName, name, version) as PipelineModel;
  }
}
