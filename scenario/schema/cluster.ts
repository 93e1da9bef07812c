/** The cluster: nodes, devices, replicas, network and gateways, and the faults that hit them. */
import { z } from "zod";
import {
  amount,
  between,
  count,
  factor,
  MOST_S,
  mapping,
  name,
  nonNegative,
  nonNegativeMs,
  nonNegativeS,
  nonNegativeUs,
  poolName,
  positiveS,
  resources,
  spread,
  weight,
  wholeBetween,
  wholeUpTo,
} from "./common.ts";

/** The most machines, of all kinds together. */
const MOST_MACHINES = 10_000;

const sharing = z
  .discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("time-slice"),
      quantumMs: between(0.001, MOST_S * 1000).describe(
        "the longest turn while another replica waits",
      ),
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

const power = mapping("electric power; gives the metric energyJoulesPerRequest", {
  idleWatts: nonNegative.max(1e9).describe("drawn always"),
  busyWatts: nonNegative.max(1e9).describe("drawn when busy, the idle watts included"),
});

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

const nodeSchema = z.strictObject({
  name,
  count: wholeUpTo(MOST_MACHINES).default(1).describe("machines of this kind"),
  devices: z.record(name, device).describe("slots per machine, by kind of device"),
  contention: z
    .array(factor)
    .min(1)
    .optional()
    .describe("slow-down of each busy replica when 1, 2, 3 ... replicas of this node are busy"),
  resources: resources
    .optional()
    .describe("of one machine, beyond its slots, e.g. { cpu: 9, memoryGb: 18 }; default: no limit"),
  power: power
    .optional()
    .describe("of one machine; between the two watts by its share of busy slots"),
  zone: name.optional().describe("where the machines stand; default: the zone without a name"),
  gbps: factor.optional().describe("bandwidth of a machine's link; default: the network's"),
  costPerHour: amount.default(0).describe("of one machine, billed whole while it hosts a replica"),
});

const provisioningSchema = z
  .strictObject({
    delayS: nonNegative.max(1e6).describe("mean time from its order until a replica takes work"),
    spread: spread.default({ distribution: "deterministic" }).describe("of that time"),
  })
  .describe("start of replicas that a scaling policy orders; default: at once");

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
  count: wholeUpTo(1000).default(1).describe("gateways, each with a queue of its own"),
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
    .check(({ value, issues }) => {
      // Before any check puts the replicas onto the machines one by one.
      const counts = value.map((node) => node.count);
      const machines = counts.reduce((sum, count) => sum + count, 0);
      // A larger count of one kind is an issue by itself.
      if (machines <= MOST_MACHINES || counts.some((count) => count > MOST_MACHINES)) return;
      const message = `at most ${MOST_MACHINES} machines in all, of which there are ${machines}`;
      issues.push({ code: "custom", message, input: value, path: [] });
    })
    .optional()
    .describe("default: one node with a slot per replica"),
  replicas: z
    .record(poolName, wholeBetween(0, 100_000))
    .describe("replicas of each task; of a task with variants, of each `task@model`"),
  placement: z
    .array(
      z.strictObject({
        task: poolName.describe("a task, or `task@model` where it has variants"),
        node: name,
        device: name.optional().describe("kind of device; default: any of the node"),
        replicas: count.describe(
          "over all machines of the node; with `slots`: batches under way at once",
        ),
        slots: z
          .array(wholeBetween(1, 1000))
          .min(1)
          .max(64)
          .optional()
          .describe(
            "slots of the device, from 1, that serve these replicas together as a pipeline: each a stage of the model; replicas with the same slots take turns there",
          ),
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

/** Keys of every fault. */
const fault = {
  kind: z
    .enum(["crash", "slow", "partition"])
    .describe(
      "crash: work is lost and none is done; slow: service times x factor; partition: no messages",
    ),
  node: name.optional().describe("a node of the cluster, or one machine of it, e.g. gpu-2"),
  task: poolName.optional().describe("the replicas of a task, or of one variant: `task@model`"),
  replica: poolName.optional().describe("one replica, e.g. detect-2"),
  factor: z
    .number()
    .gt(1)
    .max(1_000_000)
    .optional()
    .describe("slow only: what starts in the span takes so many times as long"),
};

export const faultsSchema = z
  .strictObject({
    detection: z
      .strictObject({
        intervalMs: nonNegativeMs
          .default(1000)
          .describe("between health checks; 0: at any instant"),
        timeoutMs: nonNegativeMs
          .default(1000)
          .describe("a check without an answer fails after this"),
        failures: wholeUpTo(1000).default(3).describe("failed checks in a row"),
      })
      .default({ intervalMs: 1000, timeoutMs: 1000, failures: 3 })
      .describe("when the gateway notices that a replica does not answer"),
    random: z
      .array(
        z.strictObject({
          ...fault,
          mtbfS: positiveS.describe("mean time from a repair to the next fault"),
          mttrS: positiveS.describe("mean time from a fault to its repair"),
          uptime: spread
            .default({ distribution: "exponential" })
            .describe("distribution of the time to the next fault"),
          repair: spread
            .default({ distribution: "exponential" })
            .describe("distribution of the time to the repair"),
        }),
      )
      .default([])
      .describe("each replica (or machine, for `node`) fails on its own"),
    scheduled: z
      .array(
        z.strictObject({
          ...fault,
          atS: nonNegativeS,
          forS: positiveS.optional().describe("default: for good"),
        }),
      )
      .default([])
      .describe("all that the entry names fails together"),
  })
  .describe("what breaks, and how long until that is noticed; default: nothing");
