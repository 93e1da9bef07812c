/** How long a new replica takes to come up. */
import { z } from "zod";
import { nonNegative, spread } from "./common.ts";

export const provisioningSchema = z
  .strictObject({
    delayS: nonNegative.max(1e6).describe("mean time from its order until a replica takes work"),
    spread: spread.default({ distribution: "deterministic" }).describe("of that time"),
  })
  .describe("start of replicas that a scaling policy orders; default: at once");
