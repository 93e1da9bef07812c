/** Triton's routes that load models and unload them. */
import type { PipelineModels } from "../front/pipeline-models.ts";
import { parsed, parseJson } from "./body.ts";
import { controlRequestSchema, controlSchema } from "./infer-schemas.ts";
import { json, type RestCall, type Route } from "./route.ts";

export function repositoryRoutes(models: PipelineModels): readonly Route[] {
  return [
    route(models, "unload", "Answer what was taken, take no more, give the models' memory back"),
    route(models, "load", "Load a pipeline's models, on every replica"),
  ];
}

function route(models: PipelineModels, what: "load" | "unload", summary: string): Route {
  const type = "application/json";
  return {
    method: "POST",
    path: `/v2/repository/models/{model}/${what}`,
    role: "admin",
    operation: {
      id: `${what}Model`,
      tag: "control",
      summary,
      request: { [type]: controlRequestSchema },
      bodyOptional: true,
      examples: { [type]: {} },
      responses: { 200: { description: "done", content: { [type]: controlSchema } } },
    },
    handle: async (call: RestCall) => {
      const { model } = call.params;
      const pipeline = models.named(model);
      const body = await call.body();
      const given = parsed(controlRequestSchema, body.length === 0 ? {} : parseJson(body));
      const loads = await models[what](model, given.parameters?.task);
      const { state, reason } = pipeline.state ?? {
        state: pipeline.ready() ? "READY" : "UNAVAILABLE",
        reason: "",
      };
      const told = loads.map(({ replica, loadMs }) => ({ replica, load_ms: loadMs }));
      return json({ name: model, state, reason, loads: told });
    },
  };
}
