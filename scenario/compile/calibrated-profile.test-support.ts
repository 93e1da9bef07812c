/** A profile as calibration writes it, with rounds ten seconds apart. */

import { meanOf } from "../../engine/statistics/estimate.ts";
import type { Profile } from "../schema/profile.ts";

/** `roundsUs`: mean time of one job in each round. `calibration` names it: those of one share the host's pace. */
export function calibratedProfile(roundsUs: readonly number[], calibration = "today"): Profile {
  const meanUs = meanOf(roundsUs);
  const quantilesUs = Array.from({ length: 40 }, (_, i) => meanUs * (0.58 + 0.021 * (i + 0.5)));
  const on = { device: "cpu", host: "host", runtime: "none", date: calibration };
  return {
    schema: "tandem/profile@2",
    kind: "service",
    provenance: { kind: "measured", model: "model", modelFiles: [], ...on },
    batches: [{ batch: 1, samples: 400, meanUs, halfWidth95Us: 0, quantilesUs }],
    rounds: roundsUs.map((us, i) => {
      return { atS: 10 * i, probeUs: null, aloneUs: [us], inPlaceUs: null };
    }),
  };
}
