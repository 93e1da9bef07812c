/**
 * Measured data as files: service-time profiles of a model on a device, and the overhead profile
 * of gateway and RPC. Written by `calibrate`, read by `simulate` and by the replay backend.
 */

import { z } from "zod";

/** Equally probable quantiles (mid-points), ascending, in microseconds. */
const quantilesUs = z.array(z.number().nonnegative()).min(1);

const provenance = z.strictObject({
  /** `measured` on this kind of device by calibrate; `imported` from published data. */
  kind: z.enum(["measured", "imported"]),
  model: z.string(),
  modelFiles: z.array(z.strictObject({ name: z.string(), sha256: z.string() })).default([]),
  device: z.string(),
  host: z.string(),
  runtime: z.string(),
  date: z.string(),
  source: z.string().optional(),
  /** Why the times may not hold, as calibration saw it; absent: nothing spoke against them. */
  doubts: z.array(z.string()).min(1).optional(),
});

export const profileSchema = z.strictObject({
  schema: z.literal("tandem/profile@1"),
  provenance,
  /** Time to load the model, and growth of the process's resident memory. */
  load: z
    .strictObject({ ms: z.number().nonnegative(), memoryMb: z.number().nonnegative() })
    .optional(),
  /** Time in a serving pipeline over time alone, from a pilot run; the times below include it. */
  servingFactor: z.number().positive().optional(),
  /** Mean time alone of each input, in the order in which calibration sends them. */
  inputMeansUs: z.array(z.number().positive()).optional(),
  batches: z
    .array(
      z.strictObject({
        batch: z.int().positive(),
        samples: z.int().positive(),
        meanUs: z.number().positive(),
        /** Half width of the 95% confidence interval of the mean. */
        halfWidth95Us: z.number().nonnegative(),
        quantilesUs,
      }),
    )
    .min(1),
});

export const overheadProfileSchema = z.strictObject({
  schema: z.literal("tandem/overhead@1"),
  provenance,
  /** Client to gateway and back, gateway residence excluded. */
  clientRoundTripUs: quantilesUs,
  /** Gateway to worker and back, service time excluded. */
  workerRoundTripUs: quantilesUs,
  gateway: z.strictObject({
    arrivalUs: z.number().nonnegative(),
    dispatchUs: z.number().nonnegative(),
    completionUs: z.number().nonnegative(),
  }),
  /** Slow-down of each busy replica when 1, 2, ... replicas of this host are busy. */
  contention: z.array(z.number().positive()).min(1),
  /**
   * Links to the machines of the nodes, by the node's name (`gpu-2` for the second of several), as calls that take
   * no service time see them. The round trips above are on the nearest machine's link.
   */
  links: z
    .record(
      z.string(),
      z.strictObject({
        rttUs: quantilesUs,
        payloads: z.array(z.strictObject({ bytes: z.int().positive(), roundTripUs: quantilesUs })),
        gbps: z.number().positive(),
      }),
    )
    .optional(),
});

export type Profile = z.infer<typeof profileSchema>;
export type OverheadProfile = z.infer<typeof overheadProfileSchema>;
