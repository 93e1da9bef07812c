/** The workload: how requests arrive. */
import { z } from "zod";
import { count, nonNegative, positive, requests } from "./common.ts";

const span = {
  durationS: positive.optional().describe("arrivals stop then; give this or `requests`"),
  requests: requests.optional().describe("arrivals stop after so many; give this or `durationS`"),
  warmupS: nonNegative.default(0).describe("requests that arrive before this are not counted"),
};

export const workloadSchema = z.discriminatedUnion("arrivals", [
  z.strictObject({ arrivals: z.literal("poisson"), ratePerS: positive, ...span }),
  z.strictObject({ arrivals: z.literal("deterministic"), ratePerS: positive, ...span }),
  z.strictObject({ arrivals: z.literal("gamma"), ratePerS: positive, cv: positive, ...span }),
  z.strictObject({
    arrivals: z.literal("burst"),
    requests: requests.describe("all arrive at time 0"),
    warmupS: z.literal(0).default(0),
  }),
  z.strictObject({
    arrivals: z.literal("closed"),
    clients: count.describe("each sends its next request after the answer to its last"),
    thinkMs: nonNegative.default(0).describe("a client's pause before its next request"),
    ...span,
  }),
  z.strictObject({
    arrivals: z.literal("trace"),
    file: z.string().describe("CSV file with a header line"),
    column: z.string().describe("column of arrival times: seconds, or ISO date and time"),
    scale: positive.default(1).describe("inter-arrival times are multiplied by this"),
    ...span,
  }),
]);
