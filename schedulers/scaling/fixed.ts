import { z } from "zod";
import { definePolicy } from "../policy-definition.ts";

/**
 * Idea: all replicas of the cluster, all the time.
 * Reads: nothing.
 * Fails when: load changes: the peak is paid for all day, or the peak is not served.
 * Source: none needed.
 */
export const fixed = definePolicy({
  name: "fixed",
  summary: "all replicas, all the time",
  parameters: z.strictObject({}),
  create: () => undefined,
});
