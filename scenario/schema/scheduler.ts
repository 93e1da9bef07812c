/** The scheduler: a preset, or one policy per decision. */
import { z } from "zod";
import { poolName } from "./common.ts";

const policy = z.union([z.string(), z.looseObject({ policy: z.string() })]);
const decisions = {
  admission: policy.optional().describe("take, refuse or drop a request"),
  routing: policy.optional().describe("which replica a job goes to, or hold it centrally"),
  selection: policy.optional().describe("which variant of its task serves a job"),
  ordering: policy.optional().describe("which waiting job is next"),
  batching: policy.optional().describe("how many jobs run together, and how long to wait for them"),
  shedding: policy.optional().describe("which jobs are dropped instead of started; default: none"),
  scaling: policy.optional().describe("how many of its replicas a task has; default: all"),
  controller: policy.optional().describe("what rules cannot say, decided for all tasks at once"),
};

export type Decision = keyof typeof decisions;

/** Everything a scheduler decides, each by a policy. */
export const DECISIONS = Object.keys(decisions) as readonly Decision[];

export const compositionSchema = z.strictObject({
  preset: z.string().optional().describe("start from this preset; the rest overrides it"),
  ...decisions,
});

/** A composition, whose presets and policies may be those of the user's own file. */
export const fileSchedulerSchema = compositionSchema.extend({
  file: z
    .string()
    .regex(/\.m?js$/, "a file of JavaScript, `.mjs` or `.js`")
    .optional()
    .describe("your own scheduler: a file that exports it (docs/your-own-scheduler.md)"),
  parameters: z
    .record(z.string(), z.unknown())
    .optional()
    .describe("parameters of the policies of `file`, by name"),
  perTask: z
    .record(poolName, compositionSchema)
    .optional()
    .describe("other policies for single tasks, or variants: `task@model`"),
});

export const schedulerSchema = z.union([
  z.string().describe("a preset, e.g. fifo"),
  fileSchedulerSchema,
]);
