/** Control of replicas while requests are in flight: list, add, change, remove, reset. */
import { z } from "zod";
import { Fault } from "../../core/fault.ts";
import type { ReplicaBatching } from "../run/control-record.ts";
import type { NewReplica, ReplicaControl } from "../run/replica-control.ts";
import { jsonBody } from "./body.ts";
import { json, type Operation, type Route } from "./route.ts";

const tag = "replicas";
const role = "admin";
const JSON_TYPE = "application/json";

const maxBatch = z.int().min(1).max(4096).describe("jobs that run together at most");
const waitMs = z
  .number()
  .min(0)
  .max(60_000)
  .describe("how long a batch that is not full waits for more, from its first job");
const batching = z.strictObject({ maxBatch, waitMs });

const newReplica = z.strictObject({
  task: z.string().min(1).describe("the pipeline's task that it runs"),
  node: z.string().min(1).optional().describe("a node of the scenario; default: one with room"),
  batch: batching.optional().describe("default: as the scheduler says"),
  address: z
    .string()
    .regex(/^[^\s/]+:\d{1,5}$/)
    .optional()
    .describe("host:port of a server that serves it already; default: a worker is started"),
});

const change = z
  .strictObject({ maxBatch: maxBatch.optional(), waitMs: waitMs.optional() })
  .refine((given) => given.maxBatch !== undefined || given.waitMs !== undefined, {
    message: "give maxBatch, waitMs, or both",
  });

const status = z.strictObject({
  name: z.string(),
  task: z.string(),
  node: z.string().nullable(),
  address: z.string(),
  state: z.enum(["starting", "up", "draining", "down"]),
  batch: batching.nullable().describe("null: as the scheduler says"),
  load: z.int().describe("jobs that wait at it or run on it"),
  losses: z.int().describe("how often it was lost"),
});

export function replicaRoutes(control: ReplicaControl): readonly Route[] {
  return [...collectionRoutes(control), ...memberRoutes(control)];
}

function collectionRoutes(control: ReplicaControl): readonly Route[] {
  const list = z.strictObject({ replicas: z.array(status) });
  return [
    {
      method: "GET",
      path: "/v1/replicas",
      role,
      operation: operation("listReplicas", "Every replica and its state", 200, list),
      handle: async () => json({ replicas: await control.list() }),
    },
    {
      method: "POST",
      path: "/v1/replicas",
      role,
      operation: {
        ...operation("addReplica", "Add a replica to a task", 201, status),
        description: "Answered when the replica takes jobs.",
        request: { [JSON_TYPE]: newReplica },
        examples: { [JSON_TYPE]: { task: "detect", batch: { maxBatch: 4, waitMs: 5 } } },
      },
      handle: async (call) => {
        const added = await control.add((await jsonBody(call, newReplica)) as NewReplica);
        const location = `/v1/replicas/${encodeURIComponent(added.name)}`;
        return { status: 201, headers: { location }, body: added };
      },
    },
  ];
}

function memberRoutes(control: ReplicaControl): readonly Route[] {
  const path = "/v1/replicas/{name}";
  return [
    {
      method: "GET",
      path,
      role,
      operation: operation("getReplica", "One replica and its state", 200, status),
      handle: async ({ params: { name } }) => {
        const found = (await control.list()).find((replica) => replica.name === name);
        if (found !== undefined) return json(found);
        throw new Fault("not-found", `there is no replica ${JSON.stringify(name)}`);
      },
    },
    {
      method: "PATCH",
      path,
      role,
      operation: {
        ...operation("changeReplica", "Change how a replica batches", 200, status),
        description: "What is left out stays as it is. Its present batch is not touched.",
        request: { [JSON_TYPE]: change },
        examples: { [JSON_TYPE]: { maxBatch: 8, waitMs: 20 } },
      },
      handle: async (call) => {
        const wanted = (await jsonBody(call, change)) as Partial<ReplicaBatching>;
        return json(await control.change(call.params.name, wanted));
      },
    },
    {
      method: "DELETE",
      path,
      role,
      operation: {
        id: "removeReplica",
        tag,
        summary: "Remove a replica; what waits for it goes to the others",
        parameters: [
          {
            name: "drain",
            in: "query",
            description: "whether its batch runs to its end; else it is tried again elsewhere",
            schema: { type: "boolean", default: true },
          },
        ],
        responses: { 204: { description: "it is gone" } },
      },
      handle: async ({ params, query }) => {
        await control.remove(params.name, { drain: flag(query, "drain", true) });
        return { status: 204, body: "" };
      },
    },
    {
      method: "POST",
      path: `${path}/reset`,
      role,
      operation: {
        ...operation("resetReplica", "Start a replica anew", 200, status),
        description: "A fresh process and model, with the scheduler's own batching.",
      },
      handle: async ({ params }) => json(await control.reset(params.name)),
    },
  ];
}

function flag(query: URLSearchParams, name: string, otherwise: boolean): boolean {
  const value = query.get(name);
  if (value === null) return otherwise;
  if (value === "true" || value === "false") return value === "true";
  throw new Fault("invalid-input", `${name} is ${JSON.stringify(value)}, not true or false`);
}

function operation(id: string, summary: string, status: number, schema: z.ZodType): Operation {
  const response = { description: "done", content: { [JSON_TYPE]: schema } };
  return { id, tag, summary, responses: { [status]: response } };
}
