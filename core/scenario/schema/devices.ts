/** Nodes and their devices: slots, how replicas share one, memory and power. */
import { z } from "zod";
import {
  amount,
  count,
  factor,
  MOST_S,
  name,
  nonNegative,
  nonNegativeUs,
  weight,
} from "./common.ts";

const sharing = z
  .discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("time-slice"),
      quantumMs: z
        .number()
        .min(0.001)
        .max(MOST_S * 1000)
        .describe("the longest turn while another replica waits"),
      switchUs: nonNegativeUs.default(0).describe("lost whenever a turn goes to another replica"),
    }),
    z.strictObject({
      kind: z.literal("processor-sharing"),
      slowdown: z
        .array(factor)
        .min(1)
        .optional()
        .describe("of each when 1, 2, 3 ... replicas of the slot are busy; default: 1, 2, 3 ..."),
    }),
  ])
  .describe("how the replicas of one slot share it; any number of them may be placed on it");

const power = z
  .strictObject({
    idleWatts: nonNegative.max(1e9).describe("drawn always"),
    busyWatts: nonNegative.max(1e9).describe("drawn when busy, the idle watts included"),
  })
  .describe("electric power; gives the metric energyJoulesPerRequest");

const device = z.union([
  count,
  z.strictObject({
    slots: count,
    shared: z.boolean().default(false).describe("may host more replicas than it has slots"),
    speed: factor.default(1).describe("service times are divided by this"),
    sharing: sharing.optional().describe("default: each replica runs as if alone"),
    memoryMb: weight.optional().describe("memory of one slot; default: no limit"),
    power: power.optional().describe("of one slot, beyond the node's own"),
  }),
]);

export const nodeSchema = z.strictObject({
  name,
  count: count.default(1).describe("machines of this kind"),
  devices: z.record(name, device).describe("slots per machine, by kind of device"),
  contention: z
    .array(factor)
    .min(1)
    .optional()
    .describe("slow-down of each busy replica when 1, 2, 3 ... replicas of this node are busy"),
  power: power
    .optional()
    .describe("of one machine; between the two watts by its share of busy slots"),
  zone: name.optional().describe("where the machines stand; default: the zone without a name"),
  gbps: factor.optional().describe("bandwidth of a machine's link; default: the network's"),
  costPerHour: amount.default(0).describe("of one machine, billed whole while it hosts a replica"),
});
