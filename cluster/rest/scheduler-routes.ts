/** The deployment's scheduler: which it is, and another in its place while requests are in flight. */
import { z } from "zod";
import { schedulerSchema } from "../../core/scenario/schema/scheduler.ts";
import type { Gateway } from "../run/gateway.ts";
import { checkSchedulerOf } from "../run/run-schedulers.ts";
import { jsonBody } from "./body.ts";
import { json, type Route } from "./route.ts";

const tag = "scheduler";
const schema = z.strictObject({
  scheduler: schedulerSchema,
});

export function schedulerRoutes(gateway: Gateway): readonly Route[] {
  const content = { "application/json": schema };
  return [
    {
      method: "GET",
      path: "/v1/scheduler",
      role: "admin",
      operation: {
        id: "getScheduler",
        tag,
        summary: "The deployment's present scheduler",
        responses: { 200: { description: "a preset or a composition", content } },
      },
      handle: () => json({ scheduler: gateway.scheduler }),
    },
    {
      method: "PUT",
      path: "/v1/scheduler",
      role: "admin",
      operation: {
        id: "putScheduler",
        tag,
        summary: "Another scheduler from now on",
        description:
          "A preset or a composition, as in a scenario. What waits is routed, ordered and batched " +
          "anew, what runs goes on, and no request is lost. The next run starts with its own.",
        request: content,
        examples: { "application/json": { scheduler: "join-shortest-queue" } },
        responses: { 200: { description: "it decides from now on", content } },
      },
      handle: async (call) => {
        const { scheduler } = await jsonBody(call, schema);
        checkSchedulerOf(scheduler, gateway.system);
        gateway.reschedule(scheduler);
        return json({ scheduler: gateway.scheduler });
      },
    },
  ];
}
