/**
 * The scenario document: the shape of a scenario file, and the single source of its types,
 * its parser and its published JSON Schema. Durations and sizes carry their unit in the name.
 * `checks.ts` has the rest: cycles, dangling names, slots.
 */
import { z } from "zod";
import { clusterSchema, faultsSchema } from "./cluster.ts";
import { name } from "./common.ts";
import { modelSchema, pipelineSchema, type serviceSchema, type taskSchema } from "./pipelines.ts";
import { runSchema, sweepSchema, validationSchema } from "./run.ts";
import { schedulerSchema } from "./scheduler.ts";
import { workloadSchema } from "./workload.ts";

export const scenarioSchema = z.strictObject({
  name,
  description: z.string().optional(),
  pipelines: z.record(name, pipelineSchema),
  models: z.record(name, modelSchema),
  cluster: clusterSchema,
  scheduler: schedulerSchema.default("fifo").describe("a preset's name, or policies by decision"),
  workload: workloadSchema,
  faults: faultsSchema.optional(),
  run: runSchema.default({ seed: 1, replications: 10 }),
  sweep: sweepSchema.optional(),
  validation: validationSchema.optional(),
});

export type { WorkloadDocument } from "./workload.ts";

export type ScenarioDocument = z.infer<typeof scenarioSchema>;
/** Some sections of a scenario. */
export type Parts<Section extends keyof ScenarioDocument> = Pick<ScenarioDocument, Section>;
export type PipelineDocument = z.infer<typeof pipelineSchema>;
export type TaskDocument = z.infer<typeof taskSchema>;
export type ModelDocument = z.infer<typeof modelSchema>;
export type ServiceDocument = z.infer<typeof serviceSchema>;
export type ClusterDocument = z.infer<typeof clusterSchema>;
export type SchedulerDocument = z.infer<typeof schedulerSchema>;
export type FaultsDocument = z.infer<typeof faultsSchema>;
export type ValidationDocument = z.infer<typeof validationSchema>;
