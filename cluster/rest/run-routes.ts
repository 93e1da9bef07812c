/** Control of runs, for whoever measures. */
import { z } from "zod";
import { Fault } from "../../core/fault.ts";
import type { Gateway } from "../run/gateway.ts";
import { type RunRequest, runRequestSchema } from "../run/run-request.ts";
import { checkSchedulerOf } from "../run/run-schedulers.ts";
import { jsonBody } from "./body.ts";
import { json, type Route } from "./route.ts";

const tag = "runs";

export function runRoutes(gateway: Gateway): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/run",
      role: "admin",
      operation: {
        id: "getRun",
        tag,
        summary: "How the present run goes: metrics, replicas, the gateway's own costs",
        responses: { 200: { description: "so far", content: { "application/json": REPORT } } },
      },
      handle: () => json(gateway.report()),
    },
    {
      method: "POST",
      path: "/run",
      role: "admin",
      operation: {
        id: "startRun",
        tag,
        summary: "Start a new run, with its own seed, scheduler and log",
        description: "Only while no request is under way: 429 otherwise.",
        request: { "application/json": runRequestSchema },
        examples: { "application/json": { seed: "1", scheduler: "fifo", log: true } },
        responses: {
          200: { description: "it has started", content: { "application/json": STARTED } },
        },
      },
      handle: async (call) => {
        const request = (await jsonBody(call, runRequestSchema)) as RunRequest;
        if (request.scheduler !== undefined) checkSchedulerOf(request.scheduler, gateway.system);
        gateway.reset(request);
        return json({ started: true });
      },
    },
    {
      method: "GET",
      path: "/run/log",
      role: "admin",
      operation: {
        id: "getRunLog",
        tag,
        summary: "The run's log, one JSON array a line, if it keeps one",
        responses: {
          200: {
            description: "events and commands in order",
            content: { "application/jsonl": { type: "string" } },
          },
        },
      },
      handle: () => {
        const { log } = gateway;
        if (log === null) {
          const hint = 'start it with {"log": true}';
          throw new Fault("not-found", "this run keeps no log", { hint });
        }
        return { status: 200, contentType: "application/jsonl", body: log.toJsonLines() };
      },
    },
  ];
}

const STARTED = z.strictObject({ started: z.literal(true) });

const REPORT = z.looseObject({
  idle: z.boolean(),
  inSystem: z.int(),
  summary: z.looseObject({ requests: z.int() }),
  eventLoopDelay: z.strictObject({ p50Ms: z.number(), p99Ms: z.number(), maxMs: z.number() }),
  costs: z.looseObject({ arrivals: z.int(), dispatches: z.int(), completions: z.int() }),
  gantt: z.array(z.looseObject({})),
  workerRoundTripUs: z.array(z.number()),
  otherSchedulers: z.array(z.unknown()),
  replicas: z.array(z.looseObject({ name: z.string(), up: z.boolean(), losses: z.int() })),
});
