/** The body of POST /run. */
import { z } from "zod";
import { Fault, type Issue } from "../../core/fault.ts";
import { schedulerSchema } from "../../core/scenario/schema/scheduler.ts";
import type { System } from "../../core/system.ts";
import { checkScheduler } from "../../schedulers/check-scheduler.ts";
import type { RunRequest } from "./gateway.ts";

const schema = z.strictObject({
  seed: z.string(),
  warmupUs: z.number().nonnegative().default(0),
  startAtMonotonicNs: z.number().positive().optional(),
  scheduler: schedulerSchema.optional(),
  closeUs: z.number().positive().optional(),
  closeAfterRequests: z.int().positive().optional(),
  log: z.boolean().default(false),
  warmUp: z.boolean().default(false),
});

/** Throws Fault("invalid-input") with all issues. */
export function parseRunRequest(body: unknown, system: System): RunRequest {
  const parsed = schema.safeParse(body);
  if (!parsed.success) {
    const issues = parsed.error.issues.map(
      (issue): Issue => ({ path: issue.path.join("."), message: issue.message }),
    );
    throw invalid(issues);
  }
  const { scheduler } = parsed.data;
  if (scheduler !== undefined) {
    const issues = checkScheduler(scheduler, "scheduler");
    const tasks = new Set(system.pools.map((pool) => pool.name));
    const perTask = typeof scheduler === "string" ? {} : (scheduler.perTask ?? {});
    for (const task of Object.keys(perTask)) {
      if (!tasks.has(task))
        issues.push({ path: `scheduler.perTask.${task}`, message: "no such task" });
    }
    if (issues.length > 0) throw invalid(issues);
  }
  return parsed.data as RunRequest;
}

function invalid(issues: readonly Issue[]): Fault {
  const text = issues.map(({ path, message }) => `${path}: ${message}`).join("; ");
  return new Fault("invalid-input", `no run can be started from this: ${text}`, { issues });
}
