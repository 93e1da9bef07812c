/**
 * `calibrate --check`: whether stored profiles still hold on this machine, from a short calibration beside them. A
 * profile is stale where its model is off beyond doubt at the host's pace, fresh where it cannot be off by more than the
 * bound that matters, and else cannot be told.
 */

import type { Bracket, ModelJudgement } from "../results/validation.ts";
import type { Profile } from "../scenario/schema/profile.ts";
import { judgeProfiles } from "./judge-profiles.ts";
import type { Level } from "./measure-service.ts";

/** Half of the usual tolerance of a mean: a model that is off by more takes the verdict with it. */
const STALE_BEYOND = 0.025;
/** Twice the usual tolerance: a short check cannot tell less on a host that drifts. */
const FRESH_WITHIN = 0.1;

type Freshness = "fresh" | "stale" | "cannot tell";

export interface CheckedProfile extends ModelJudgement {
  readonly model: string;
  readonly state: Freshness;
  /** One sentence with its figures. */
  readonly reason: string;
}

/** `stored` and `measured` by model; those without rounds in place now are left out. */
export function checkProfiles(
  stored: Readonly<Record<string, Profile>>,
  measured: Readonly<Record<string, Profile>>,
): readonly CheckedProfile[] {
  const { models, together } = judgeProfiles(bracketsOf(measured), stored, STALE_BEYOND);
  return Object.entries(models).map(([model, judgement]) => {
    const { ratio, interval95, isOff } = judgement;
    const isNear = interval95.low >= 1 / (1 + FRESH_WITHIN) && interval95.high <= 1 + FRESH_WITHIN;
    const state = isOff ? "stale" : isNear && together === null ? "fresh" : "cannot tell";
    const times = `takes ${ratio.toFixed(2)} (${interval95.low.toFixed(2)} to ${interval95.high.toFixed(2)}) × its calibrated time`;
    return {
      model,
      ...judgement,
      state,
      reason: `${times}${whyUnsure(state, judgement, together)}`,
    };
  });
}

function whyUnsure(state: Freshness, { pace }: ModelJudgement, together: number | null): string {
  if (state !== "cannot tell") return "";
  if (together !== null) {
    const host = pace === null ? "" : `, and the host's probe ${pace.toFixed(2)} ×`;
    return `; all models take ${together.toFixed(2)} ×${host}: the host moved, or the profiles are another machine's`;
  }
  return "; longer tells: --max-seconds";
}

/** The rounds of a calibration as a validation measures brackets; alone where the pipeline did not run. */
function bracketsOf(measured: Readonly<Record<string, Profile>>): readonly Bracket[] {
  interface Found {
    readonly probeUs: number;
    readonly workUs: Record<string, number>;
    readonly levels: Record<string, Level>;
  }
  const byTime = new Map<number, Found>();
  for (const [model, { rounds = [] }] of Object.entries(measured)) {
    for (const { atS, probeUs, aloneUs, level, inPlaceUs } of rounds) {
      const us = inPlaceUs ?? aloneUs[0];
      if (probeUs === null || us === null || us === undefined) continue;
      const round = byTime.get(atS) ?? { probeUs, workUs: {}, levels: {} };
      round.workUs[model] = us;
      if (level !== undefined && level !== null) round.levels[model] = level;
      byTime.set(atS, round);
    }
  }
  return [...byTime].map(([atS, round]) => ({ atS, ...round }));
}
