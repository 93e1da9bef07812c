/** The cluster: nodes, devices, replicas, network and gateway. */
import { z } from "zod";
import { count, name, nonNegative, positive } from "./common.ts";

const device = z.union([
  count,
  z.strictObject({
    slots: count,
    shared: z.boolean().default(false).describe("may host more replicas than it has slots"),
    speed: positive.default(1).describe("service times are divided by this"),
  }),
]);

export const nodeSchema = z.strictObject({
  name,
  count: count.default(1).describe("machines of this kind"),
  devices: z.record(name, device).describe("slots per machine, by kind of device"),
  contention: z
    .array(positive)
    .min(1)
    .optional()
    .describe("slow-down of each busy replica when 1, 2, 3 ... replicas of this node are busy"),
  costPerHour: nonNegative.default(0).describe("of one machine, in any currency"),
});

const overheads = z.strictObject({
  arrivalUs: nonNegative.default(0).describe("gateway CPU time to take a request"),
  dispatchUs: nonNegative.default(0).describe("gateway CPU time to send a batch"),
  completionUs: nonNegative.default(0).describe("gateway CPU time to take a batch's result"),
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
    .describe("where every replica runs; default: spread over the nodes in order"),
  network: z
    .strictObject({
      rttMs: nonNegative.default(0).describe("gateway to worker and back"),
      clientRttMs: nonNegative.default(0).describe("client to gateway and back"),
      gbps: positive.optional().describe("bandwidth of a link; default: payloads take no time"),
    })
    .optional()
    .describe("default: messages take no time"),
  gateway: overheads.optional().describe("the gateway as a station: cost of each message"),
  overheadProfile: z
    .string()
    .optional()
    .describe("measured network and gateway cost (from `calibrate`); replaces the two above"),
});
