/** The cluster: nodes, replicas, network and gateways. */
import { z } from "zod";
import { count, factor, name, nonNegativeMs, nonNegativeUs } from "./common.ts";
import { nodeSchema } from "./devices.ts";
import { provisioningSchema } from "./provisioning.ts";

const networkSchema = z.strictObject({
  rttMs: nonNegativeMs.default(0).describe("gateway to worker and back"),
  clientRttMs: nonNegativeMs.default(0).describe("client to gateway and back"),
  gbps: factor.optional().describe("bandwidth of a link; default: payloads take no time"),
  links: z
    .enum(["private", "fair"])
    .default("private")
    .describe("fair: transfers of one direction of a node's link share its bandwidth equally"),
  zones: z
    .array(
      z.strictObject({
        between: z.tuple([name, name]).describe("two zones"),
        rttMs: nonNegativeMs.describe("added to the round trips between them"),
      }),
    )
    .min(1)
    .optional()
    .describe("distances between zones; default: all stand in one"),
});

const gatewaySchema = z.strictObject({
  arrivalUs: nonNegativeUs.default(0).describe("gateway CPU time to take a request"),
  dispatchUs: nonNegativeUs.default(0).describe("gateway CPU time to send a batch"),
  completionUs: nonNegativeUs.default(0).describe("gateway CPU time to take a batch's result"),
  count: z.int().positive().max(1000).default(1).describe("gateways, each with a queue of its own"),
  assignment: z
    .enum(["round-robin", "hash"])
    .default("round-robin")
    .describe("which gateway a request goes to: in turn, or by a hash of its number"),
  zone: name.optional().describe("where the gateways stand; default: the zone without a name"),
});

export const clusterSchema = z.strictObject({
  nodes: z
    .array(nodeSchema)
    .min(1)
    .optional()
    .describe("default: one node with a slot per replica"),
  replicas: z.record(name, z.int().nonnegative().max(100_000)).describe("replicas of each task"),
  placement: z
    .array(
      z.strictObject({
        task: name,
        node: name,
        device: name.optional().describe("kind of device; default: any of the node"),
        replicas: count.describe("over all machines of the node"),
      }),
    )
    .optional()
    .describe(
      "where every replica runs; default: spread over the nodes, on devices with memory for the model",
    ),
  network: networkSchema.optional().describe("default: messages take no time"),
  gateway: gatewaySchema.optional().describe("the gateway as a station: cost of each message"),
  provisioning: provisioningSchema.optional(),
  overheadProfile: z
    .string()
    .optional()
    .describe("measured round trips and gateway costs (from `calibrate`); replace those above"),
});
