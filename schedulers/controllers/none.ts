import { z } from "zod";
import { defineController } from "../rules/policy-definition.ts";

export const none = defineController({
  name: "none",
  summary: "rules alone decide",
  idea: "No controller: each decision is made by its rule.",
  reads: "Nothing.",
  failsWhen: "A decision needs memory of its own, or several pools at once.",
  source: "None needed.",
  parameters: z.strictObject({}),
  create: () => undefined,
});
