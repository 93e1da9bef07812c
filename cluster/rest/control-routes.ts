/** Control and observation of a deployment: runs, scheduler, feedback, replicas, metrics. */
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { Fault } from "../../engine/basics/fault.ts";
import { schedulerSchema } from "../../scenario/schema/scheduler.ts";
import { gatewayStatusSchema, replicaSchema } from "../observe/gateway-status.ts";
import type { Gateway } from "../run/gateway.ts";
import { changeSchema, newReplicaSchema, type ReplicaControl } from "../run/replica-control.ts";
import { checkSchedulerOf } from "../run/run-schedulers.ts";
import { runReportSchema, runRequestSchema } from "../run/specification.ts";
import { LIMITS } from "../security/limits.ts";
import { parseJson, readBody } from "./bodies.ts";
import { type App, contentOf, describer } from "./route.ts";

/** Without `control` the deployment's replicas are what they are. */
export function addControlRoutes(app: App, gateway: Gateway, control: ReplicaControl | null): void {
  takeJson(app);
  addRunRoutes(app, gateway);
  addSchedulerRoutes(app, gateway);
  addFeedbackRoute(app, gateway);
  addObserveRoutes(app, gateway);
  if (control !== null) addReplicaRoutes(app, control);
  addDescriptionRoutes(app, gateway);
}

/** Bodies of the scope's routes are JSON; a route whose schema has none ignores its body. */
export function takeJson(app: App): void {
  app.addContentTypeParser("*", async (request: FastifyRequest) => {
    if (request.routeOptions.schema?.body === undefined) return undefined;
    // A web page of another origin cannot send this content type without asking first.
    if (/^application\/json\b/i.test(request.headers["content-type"] ?? "")) {
      return parseJson(await readBody(request));
    }
    throw new Fault("invalid-input", "the body is to be sent with content-type: application/json");
  });
}

function addRunRoutes(app: App, gateway: Gateway): void {
  const describe = describer("admin", "runs");
  const summary = "How the present run goes: metrics, replicas, the gateway's own costs";
  app.get("/run", describe("getRun", summary, runReportSchema), () => gateway.report());
  const started = z.strictObject({ started: z.literal(true) }).describe("it has started");
  app.post(
    "/run",
    describe("startRun", "Start a new run, with its own seed, scheduler and log", started, {
      description: "Only while no request is under way: 429 otherwise.",
      body: runRequestSchema.meta({ examples: [{ seed: "1", scheduler: "fifo", log: true }] }),
    }),
    ({ body }) => {
      if (body.scheduler !== undefined) checkSchedulerOf(body.scheduler, gateway.system);
      gateway.reset(body);
      return { started: true };
    },
  );
  const lines = contentOf({ "application/jsonl": z.string() }, "events and commands in order");
  app.get(
    "/run/log",
    describe("getRunLog", "The run's log, one JSON array a line, if it keeps one", lines),
    (_, reply) => {
      const { log } = gateway.run.options;
      if (log === null) {
        const hint = 'start it with {"log": true}';
        throw new Fault("not-found", "this run keeps no log", { hint });
      }
      return reply.type("application/jsonl").send(Buffer.from(log.toJsonLines()));
    },
  );
}

function addSchedulerRoutes(app: App, gateway: Gateway): void {
  const describe = describer("admin", "scheduler");
  const body = z.strictObject({ scheduler: schedulerSchema });
  const present = body.describe("a preset or a composition");
  const summary = "The deployment's present scheduler";
  const current = () => ({ scheduler: gateway.scheduler });
  app.get("/v1/scheduler", describe("getScheduler", summary, present), current);
  const next = body.describe("it decides from now on");
  app.put(
    "/v1/scheduler",
    describe("putScheduler", "Another scheduler from now on", next, {
      description:
        "A preset or a composition, as in a scenario. Waiting jobs are routed, ordered and " +
        "batched anew, running ones go on, and no request is lost. The next run starts with its own.",
      body: body.meta({ examples: [{ scheduler: "join-shortest-queue" }] }),
    }),
    ({ body: { scheduler } }) => {
      checkSchedulerOf(scheduler, gateway.system);
      gateway.reschedule(scheduler);
      return current();
    },
  );
}

const feedbackSchema = z
  .strictObject({
    id: z.string().min(1).max(128).describe("the answer's `x-request-id`"),
    loss: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe("how wrong the answer was: 0 right, 1 wrong"),
    label: z
      .string()
      .min(1)
      .max(LIMITS.nameLength)
      .optional()
      .describe("in place of a loss: the right label; models that did not give it were wrong"),
    task: z
      .string()
      .min(1)
      .optional()
      .describe("one task of the pipeline, or an ensemble; default: all that ran"),
  })
  .refine(({ loss, label }) => (loss === undefined) !== (label === undefined), {
    message: "expected one of loss and label",
  })
  .meta({ examples: [{ id: "4f6c", loss: 1, task: "detect" }] });

function addFeedbackRoute(app: App, gateway: Gateway): void {
  const heard = z
    .strictObject({ tasks: z.array(z.string()).describe("tasks whose part was judged") })
    .describe("the scheduler has heard it");
  app.post(
    "/v1/feedback",
    describer("infer", "inference")("giveFeedback", "Say how wrong an answer was", heard, {
      description:
        "Schedulers that select among variants of a model learn from it. The newest 10,000 answers " +
        "of the present run are known.",
      body: feedbackSchema,
    }),
    ({ body }) => {
      const { id, loss, label, task } = body as z.output<typeof feedbackSchema>;
      return { tasks: gateway.run.feed(id, task, label ?? loss ?? 0) };
    },
  );
}

function addReplicaRoutes(app: App, control: ReplicaControl): void {
  const describe = describer("admin", "replicas");
  const list = z.strictObject({ replicas: z.array(replicaSchema) }).describe("done");
  app.get(
    "/v1/replicas",
    describe("listReplicas", "Every replica and its state", list),
    async () => ({ replicas: await control.list() }),
  );
  app.post(
    "/v1/replicas",
    describe(
      "addReplica",
      "Add a replica to a task",
      { 201: replicaSchema },
      {
        description: "Answered when the replica takes jobs.",
        body: newReplicaSchema,
      },
    ),
    async ({ body }, reply) => {
      const added = await control.add(body);
      const location = `/v1/replicas/${encodeURIComponent(added.name)}`;
      return reply.code(201).header("location", location).send(added);
    },
  );
  const path = "/v1/replicas/:name";
  const params = z.object({ name: z.string().min(1) });
  app.get(
    path,
    describe("getReplica", "One replica and its state", replicaSchema, { params }),
    async ({ params: { name } }) => {
      const found = (await control.list()).find((replica) => replica.name === name);
      if (found !== undefined) return found;
      throw new Fault("not-found", `there is no replica ${JSON.stringify(name)}`);
    },
  );
  app.patch(
    path,
    describe("changeReplica", "Change how a replica batches", replicaSchema, {
      description: "What is left out stays as it is. Its present batch is not touched.",
      params,
      body: changeSchema,
    }),
    ({ params: { name }, body }) => control.change(name, body),
  );
  const gone = { 204: z.undefined().describe("it is gone") };
  const summary = "Remove a replica; what waits for it goes to the others";
  app.delete(
    path,
    describe("removeReplica", summary, gone, { params, querystring: z.object({ drain }) }),
    async ({ params: { name }, query }, reply) => {
      await control.remove(name, { drain: query.drain });
      return reply.code(204).send();
    },
  );
  app.post(
    `${path}/reset`,
    describe("resetReplica", "Start a replica anew", replicaSchema, {
      description: "A fresh process and model, with the scheduler's own batching.",
      params,
    }),
    ({ params: { name } }) => control.reset(name),
  );
}

const drain = z
  .stringbool({ truthy: ["true"], falsy: ["false"], case: "sensitive" })
  .default(true)
  .describe("whether its batch runs to its end (default); else it is tried again elsewhere")
  .meta({ type: "boolean" });

function addObserveRoutes(app: App, gateway: Gateway): void {
  const tag = "observability";
  const text = contentOf({ "text/plain": z.string() }, "since the start");
  app.get(
    "/metrics",
    describer("infer", tag)("getMetrics", "Counts and durations in Prometheus' text format", text),
    async (_, reply) => {
      const metrics = await gateway.metrics();
      return reply.type(metrics.contentType).send(await metrics.text());
    },
  );
  const summary = "Replicas, pipelines and scheduler at this moment";
  const status = describer("admin", tag)("getStatus", summary, gatewayStatusSchema);
  app.get("/status", status, () => gateway.status());
}

const schedulersSchema = z
  .looseObject({
    schema: z.string(),
    presets: z.array(z.looseObject({ name: z.string(), summary: z.string() })),
    policies: z.array(z.looseObject({ name: z.string(), decision: z.string() })),
  })
  .describe("as `tandem schedulers --json` prints them");

const scenarioSchema = z
  .strictObject({
    document: z.looseObject({ name: z.string() }).describe("the scenario, with its defaults"),
    profiles: z.record(z.string(), z.unknown()).describe("measured times, by the path as written"),
    stepProfiles: z.record(z.string(), z.unknown()).optional().describe("of language models"),
    overheadProfile: z.unknown().optional(),
    traces: z
      .record(z.string(), z.array(z.number()))
      .optional()
      .describe("arrivals in µs, of traces with at most 10,000"),
    traceColumns: z.record(z.string(), z.unknown()).optional().describe("values by row"),
    room: z.record(z.string(), z.int()).describe("how many replicas each task can have"),
  })
  .describe("what is deployed");

function addDescriptionRoutes(app: App, gateway: Gateway): void {
  const describe = describer("admin", "about");
  app.get(
    "/v1/schedulers",
    describe("listSchedulers", "Every preset and policy, with its parameters", schedulersSchema),
    async () => {
      const { catalogue } = await import("../../schedulers/catalogue.ts");
      return { ...catalogue() };
    },
  );
  app.get(
    "/v1/scenario",
    describe("getScenario", "The deployment's scenario and measured times", scenarioSchema),
    () => {
      const { document, inputs } = gateway.specification;
      const { profiles, stepProfiles, overheadProfile, traces, traceColumns } = inputs;
      const { pools } = gateway.system;
      const room = Object.fromEntries(
        pools.map(({ name, count, places }) => [name, count / places]),
      );
      const measured = { profiles, stepProfiles, overheadProfile, traces, traceColumns };
      return { document, ...measured, room };
    },
  );
}
