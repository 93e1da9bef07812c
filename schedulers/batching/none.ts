import { z } from "zod";
import type { Batching } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";

/**
 * Idea: one job at a time.
 * Reads: nothing.
 * Fails when: the device would do several in nearly the time of one.
 * Source: the seed project's first scheduler.
 */
export const none = definePolicy({
  name: "none",
  summary: "one job at a time",
  parameters: z.strictObject({}),
  create: (): Batching => ({ kind: "single", maxBatch: 1 }),
});
