/** The body of POST /run. */
import { z } from "zod";
import { Fault, type Issue } from "../../core/fault.ts";
import { schedulerSchema } from "../../core/scenario/schema/scheduler.ts";
import type { SchedulerDocument } from "../../core/scenario/schema.ts";
import type { System } from "../../core/system.ts";
import { checkScheduler } from "../../schedulers/check-scheduler.ts";

export const runRequestSchema = z.strictObject({
  seed: z.string().describe("of all that is drawn for the run's requests"),
  warmupUs: z.number().nonnegative().default(0).describe("requests before it are not counted"),
  startAtMonotonicNs: z
    .number()
    .positive()
    .optional()
    .describe("the run's time 0 on this machine's monotonic clock; default: now"),
  scheduler: schedulerSchema.optional(),
  closeUs: z.number().positive().optional().describe("the measured window ends here"),
  closeAfterRequests: z.int().positive().optional().describe("or with so many arrivals"),
  log: z.boolean().default(false).describe("keep a log for GET /run/log"),
  triedAgain: z.boolean().default(false).describe("a request's number may come several times"),
  warmUp: z.boolean().default(false).describe("replayed batches take 2 ms at most"),
  boundQueue: z.boolean().default(false).describe("refuse what would wait too long"),
});

/** Throws Fault("invalid-input") with all that is wrong with a scheduler for this system. */
export function checkSchedulerOf(scheduler: SchedulerDocument, system: System): void {
  const issues: Issue[] = checkScheduler(scheduler, "scheduler");
  const tasks = new Set(system.pools.map((pool) => pool.name));
  const perTask = typeof scheduler === "string" ? {} : (scheduler.perTask ?? {});
  for (const task of Object.keys(perTask)) {
    if (tasks.has(task)) continue;
    const hint = `its tasks are ${[...tasks].join(", ")}`;
    issues.push({ path: `scheduler.perTask.${task}`, message: "no such task", hint });
  }
  if (issues.length === 0) return;
  const text = issues.map(({ path, message }) => `${path}: ${message}`).join("; ");
  throw new Fault("invalid-input", `no such scheduler can be made: ${text}`, { issues });
}
