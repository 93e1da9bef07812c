/** Which jobs are dropped instead of started. */
import { z } from "zod";
import type { Shedding } from "../../core/dispatch/policies.ts";
import { definePolicy } from "./policy-definition.ts";

export const never = definePolicy({
  name: "never",
  summary: "start every job, unless admission drops late ones",
  idea: "Start every job; the admission `drop-late` may drop those past their deadline.",
  reads: "Nothing.",
  failsWhen: "Answers that come too late are worth nothing, and take the time of others.",
  source: "None needed.",
  parameters: z.strictObject({}),
  create: (): Shedding | undefined => undefined,
});
