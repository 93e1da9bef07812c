import { z } from "zod";
import { definePolicy } from "../policy-definition.ts";

export const fixed = definePolicy({
  name: "fixed",
  summary: "all replicas, all the time",
  idea: "All replicas of the cluster, all the time.",
  reads: "Nothing.",
  failsWhen: "Load changes: the peak is paid for all day, or the peak is not served.",
  source: "None needed.",
  parameters: z.strictObject({}),
  create: () => undefined,
});
