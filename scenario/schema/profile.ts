/**
 * Measured data as files: service-time profiles of a model on a device, and the overhead profile
 * of gateway and RPC. Written by `calibrate`, read by `simulate` and by the replay backend.
 */

import { z } from "zod";

/** Equally probable quantiles (mid-points), ascending, in microseconds. */
const quantilesUs = z.array(z.number().nonnegative()).min(1);

export const provenanceSchema = z.strictObject({
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

/** Times alone, by batch size. */
const batches = z
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
  .min(1);

/** Time to load the model, and growth of the process's resident memory. */
const load = z.strictObject({ ms: z.number().nonnegative(), memoryMb: z.number().nonnegative() });

/** Means of one round of a calibration; `null`: not measured in it. */
const round = z.strictObject({
  /** Its middle, s after the calibration's first. */
  atS: z.number(),
  /** Of the probe of the host's pace. */
  probeUs: z.number().positive().nullable(),
  /** Time alone, in the order of `batches`. */
  aloneUs: z.array(z.number().positive().nullable()).min(1),
  /** Means of the middle halves of `aloneUs`' first calls and of the probe's kernels between them; absent: not measured so. */
  level: z
    .strictObject({ us: z.number().positive(), probeUs: z.number().positive() })
    .nullable()
    .optional(),
  /** Work of single jobs in the serving pipeline: their time without the slow-down by busy neighbours. */
  inPlaceUs: z.number().positive().nullable(),
});

export const MOST_ROUNDS = 200;
const MOST_INPUTS = 256;

const serviceProfile = z.strictObject({
  schema: z.literal("tandem/profile@2"),
  /** Profiles of other kinds may follow. */
  kind: z.literal("service"),
  provenance: provenanceSchema,
  load: load.optional(),
  batches,
  /** Mean time alone of each input, batch 1, in the order in which calibration sends them. */
  inputs: z
    .array(z.strictObject({ meanUs: z.number().positive(), calls: z.int().positive() }))
    .max(MOST_INPUTS)
    .optional(),
  /** The kernel whose time the rounds have as the host's pace; absent: one that models did not follow. */
  probe: z.literal("convolutions").optional(),
  /** Absent: how well the times are known is not known. */
  rounds: z.array(round).min(1).max(MOST_ROUNDS).optional(),
});

/** Its times include the factor of one pilot run, which is divided out. */
const firstProfile = z
  .strictObject({
    schema: z.literal("tandem/profile@1"),
    provenance: provenanceSchema,
    load: load.optional(),
    servingFactor: z.number().positive().optional(),
    inputMeansUs: z.array(z.number().positive()).optional(),
    batches,
  })
  .transform(({ servingFactor = 1, inputMeansUs: _, batches, ...rest }): ServiceProfile => {
    return {
      ...rest,
      schema: "tandem/profile@2",
      kind: "service",
      batches: batches.map((one) => ({
        ...one,
        meanUs: one.meanUs / servingFactor,
        halfWidth95Us: one.halfWidth95Us / servingFactor,
        quantilesUs: one.quantilesUs.map((us) => us / servingFactor),
      })),
    };
  });

type ServiceProfile = z.infer<typeof serviceProfile>;

/** Reads `tandem/profile@2`, and `tandem/profile@1` as one without rounds. */
export const profileSchema = z.discriminatedUnion("schema", [serviceProfile, firstProfile]);

export const overheadProfileSchema = z.strictObject({
  schema: z.literal("tandem/overhead@1"),
  provenance: provenanceSchema,
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
  /** Means of each round of a calibration, µs as above, and the slow-down in it. */
  rounds: z
    .array(
      z.strictObject({
        atS: z.number(),
        clientRoundTripUs: z.number().nonnegative(),
        workerRoundTripUs: z.number().nonnegative(),
        gatewayUs: z.number().nonnegative(),
        contention: z.array(z.number().positive()),
      }),
    )
    .min(1)
    .max(MOST_ROUNDS)
    .optional(),
});

export type Profile = ServiceProfile;
export type OverheadProfile = z.infer<typeof overheadProfileSchema>;
