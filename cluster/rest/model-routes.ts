/** The Open Inference Protocol's HTTP routes, with Triton's: a pipeline is a model to its caller. */
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { GATEWAY_METADATA, type PipelineModels } from "../front/pipeline-models.ts";
import {
  configSchema,
  indexSchema,
  modelSchema,
  serverSchema,
  statisticsSchema,
} from "../protocol/descriptions.ts";
import {
  learnedModel,
  modelConfig,
  modelIndex,
  modelStatistics,
  stateOf,
} from "../protocol/hosted-models.ts";
import { LIMITS } from "../security/limits.ts";
import { parseJson, readBody } from "./bodies.ts";
import { addInferRoutes } from "./infer-routes.ts";
import { type App, describer, type ModelName } from "./route.ts";

const describePublic = describer("public", "inference");
const describe = describer("infer", "inference");

export function addModelRoutes(app: App, models: PipelineModels): void {
  const model = z.enum([...models.byName.keys()] as [string, ...string[]]);
  const unversioned = z.object({ model });
  const versioned = z.object({ model, version: z.enum(["1"]) });
  const paths = [
    ["/v2/models/:model", "", unversioned],
    ["/v2/models/:model/versions/:version", "Version", versioned],
  ] as const;
  addServerRoutes(app, models);
  for (const [path, suffix, params] of paths) addRoutesOf(app, models, path, suffix, params);
  app.register(async (scope: App) => addInferRoutes(scope, models, paths));
  app.register(async (scope: App) => addRepositoryRoutes(scope, models, unversioned));
}

function addServerRoutes(app: App, { gateway, byName }: PipelineModels): void {
  const server = describePublic("getServer", "What this server is", ownServerSchema);
  const deployment = gateway.specification.id;
  app.get("/v2", server, () => ({ ...GATEWAY_METADATA, deployment }));
  const live = describePublic("getLive", "Whether it runs", z.strictObject({ live: z.boolean() }));
  app.get("/v2/health/live", live, () => ({ live: true }));
  const summary = "Whether it takes requests and every replica is up";
  const ready = describePublic("getReady", summary, yesOrNo(z.object({ ready: z.boolean() })));
  app.get("/v2/health/ready", ready, (_, reply) =>
    reply.code(gateway.ready ? 200 : 503).send({ ready: gateway.ready }),
  );
  const statistics = "Counts and times of every pipeline";
  app.get("/v2/models/stats", describe("getAllStatistics", statistics, statisticsSchema), () => ({
    model_stats: modelStatistics(byName, {}),
  }));
}

/** The routes of a model that have no body, with or without its version. */
function addRoutesOf(
  app: App,
  models: PipelineModels,
  path: string,
  suffix: string,
  params: z.ZodType<ModelName>,
): void {
  const { byName } = models;
  const learned = ({ model, version }: ModelName) => learnedModel(byName, model, version);
  app.get(
    path,
    describe(`getModel${suffix}`, "A pipeline's inputs and outputs", modelSchema, { params }),
    async (request) => (await learned(request.params)).metadata,
  );
  const config = "A pipeline as Triton describes models";
  app.get(
    `${path}/config`,
    describe(`getModelConfig${suffix}`, config, configSchema, { params }),
    async (request) => modelConfig(await learned(request.params)),
  );
  const statistics = "Counts and times of a pipeline";
  app.get(
    `${path}/stats`,
    describe(`getModelStatistics${suffix}`, statistics, statisticsSchema, { params }),
    ({ params: { model: name, ...version } }) => ({
      model_stats: modelStatistics(byName, { name, ...version }),
    }),
  );
  const ready = yesOrNo(z.object({ name: z.string(), ready: z.boolean() }));
  app.get(
    `${path}/ready`,
    describePublic(`getModelReady${suffix}`, "Whether a pipeline can infer", ready, { params }),
    ({ params: { model, version } }, reply) => {
      const isReady = models.named(model, version).ready();
      return reply.code(isReady ? 200 : 503).send({ name: model, ready: isReady });
    },
  );
}

function yesOrNo(schema: z.ZodObject): Record<number, z.ZodType> {
  return { 200: schema.strict().describe("yes"), 503: schema.strict().describe("no") };
}

/** Triton's routes that list models, load and unload them. Each may come without a body. */
function addRepositoryRoutes(app: App, models: PipelineModels, params: z.ZodType<ModelName>): void {
  app.addContentTypeParser("*", async (request: FastifyRequest) => {
    const body = await readBody(request);
    return body.length === 0 ? {} : parseJson(body);
  });
  app.addHook("preValidation", (request, _reply, done) => {
    request.body ??= {};
    done();
  });
  app.post(
    "/v2/repository/index",
    describe("getIndex", "Every pipeline and its state", indexSchema, {
      ...{ body: indexRequestSchema, "x-body-optional": true },
    }),
    ({ body }) => modelIndex(models.byName, body.ready ?? false),
  );
  const describeControl = describer("admin", "control");
  const actions = [
    ["unload", "Answer what was taken, take no more, give the models' memory back"],
    ["load", "Load a pipeline's models, on every replica"],
  ] as const;
  for (const [action, summary] of actions) {
    app.post(
      `/v2/repository/models/:model/${action}`,
      describeControl(`${action}Model`, summary, controlSchema, {
        ...{ params, body: controlRequestSchema, "x-body-optional": true },
      }),
      async ({ params: { model }, body }) => {
        const loads = await models[action](model, body.parameters?.task);
        const told = loads.map(({ replica, loadMs }) => ({ replica, load_ms: loadMs }));
        return { name: model, ...stateOf(models.named(model)), loads: told };
      },
    );
  }
}

const ownServerSchema = serverSchema.extend({
  deployment: z.string().describe("tells one deployment from another"),
});

const indexRequestSchema = z
  .looseObject({ ready: z.boolean().optional().describe("only models that are ready") })
  .meta({ examples: [{ ready: true }] });

const controlRequestSchema = z
  .looseObject({
    parameters: z
      .looseObject({
        task: z.string().max(LIMITS.nameLength).optional().describe("this task's model alone"),
      })
      .optional()
      .describe("the gateway ignores unknown ones"),
  })
  .meta({ examples: [{}] });

const controlSchema = z
  .strictObject({
    name: z.string(),
    state: z.string(),
    reason: z.string(),
    loads: z
      .array(z.strictObject({ replica: z.string(), load_ms: z.number().nullable() }))
      .describe("what each replica's load took"),
  })
  .describe("done");
