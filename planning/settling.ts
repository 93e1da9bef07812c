/** How long a cluster's queues remember that a run began with none. */
import { circle, mmppRatePerS } from "../engine/arrivals/changing-rate.ts";
import type { Workload } from "../engine/arrivals/workload.ts";
import { sumOf } from "../engine/statistics/estimate.ts";
import type { Alternative } from "./contenders.ts";
import type { Shape } from "./space.ts";

interface Settling {
  readonly alternative: Alternative;
  readonly shape: Pick<Shape, "rows">;
}

/**
 * Seconds in which what a run's start leaves in the fullest task's queue falls by e, in the end: that of a Brownian motion
 * with the drift and variance of work that arrives and is done, kept from falling below 0. 0 where nothing is known of it,
 * and where a scheduler refuses or drops requests. Source: Abate and Whitt, "Transient behavior of regulated Brownian
 * motion, I: starting at the origin", Advances in Applied Probability 19(3), 1987.
 */
export function relaxationS({ alternative, shape }: Settling): number {
  const { document, choice, batches, isOpen } = alternative;
  if (!isOpen) return 0;
  const { bounds } = choice;
  const { peak, gaps, states } = arrivalsOf(document.workload);
  const times = shape.rows.map((row, t) => {
    const mean = bounds.utilisation(t, row, batches[t]);
    if (mean === 0 || mean >= 1) return 0;
    // Queues grow over whole stays in a state where it brings more jobs than are done, and else follow the state.
    const [load, stays] = mean * peak < 1 ? [mean * peak, 0] : [mean, states];
    const variance = gaps + stays + bounds.variation(t, row);
    return (2 * variance) / (bounds.rowPerS(t, row, batches[t]) * (1 - load) ** 2);
  });
  return Math.max(...times);
}

/** The highest rate over the mean, and the variance of many arrivals over their mean: that of their gaps, and of states. */
function arrivalsOf(workload: Workload): Readonly<Record<"peak" | "gaps" | "states", number>> {
  if (workload.arrivals !== "mmpp") {
    return { peak: 1, gaps: "cv" in workload ? workload.cv ** 2 : 1, states: 0 };
  }
  const { states, transitions = circle(states.length) } = workload;
  const moment = (power: number): number => {
    const raised = states.map((one) => ({ ...one, ratePerS: one.ratePerS ** power }));
    return mmppRatePerS(raised, transitions);
  };
  const [mean, squares] = [moment(1), moment(2)];
  // Of two states the rate forgets by e in half of this.
  const stayS = states.length / sumOf(states.map(({ meanS }) => 1 / meanS));
  const peak = Math.max(...states.map(({ ratePerS }) => ratePerS)) / mean;
  return { peak, gaps: 1, states: ((squares - mean ** 2) * stayS) / mean };
}
