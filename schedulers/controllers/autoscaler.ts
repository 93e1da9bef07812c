/**
 * Asks the scaling rule of each pool at its interval how many replicas it should have. Pools whose
 * replicas are held in chains keep all of them.
 */
import type { ClusterView, Controller, Controls } from "../../core/dispatch/controller.ts";
import { isHeld } from "../../core/dispatch/held-chains.ts";
import type { PoolPolicies, Scaling } from "../../core/dispatch/policies.ts";
import type { System } from "../../core/system.ts";
import { defineController } from "../rules/policy-definition.ts";

/** A pool that scales. */
interface ScaledPool {
  readonly id: number;
  readonly scaling: Scaling;
  readonly max: number;
  /** Integrals since the rule was last asked, replica·µs and job·µs. */
  busyUs: number;
  waitingUs: number;
  jobsUs: number;
  sinceUs: number;
  observedUs: number;
  load: { readonly busy: number; readonly waiting: number; readonly running: number };
  /** Wishes within the down window that no later one exceeds: falling, so the first is the most. */
  readonly wishes: { readonly atUs: number; readonly replicas: number }[];
}

export class Autoscaler implements Controller {
  readonly pools = [];
  readonly scales: readonly number[];
  /** One for each pool that scales. */
  readonly timers: number;
  readonly #scaled: readonly ScaledPool[];

  constructor(system: System, policies: readonly PoolPolicies[]) {
    this.#scaled = system.pools.flatMap((pool, id) => {
      const { scaling } = policies[id];
      if (scaling === undefined || isHeld(system, id)) return [];
      const max = Math.min(scaling.max, pool.count);
      const none = { busyUs: 0, waitingUs: 0, jobsUs: 0, sinceUs: 0, observedUs: 0 };
      return [{ id, scaling, max, ...none, load: { busy: 0, waiting: 0, running: 0 }, wishes: [] }];
    });
    this.scales = this.#scaled.map(({ id }) => id);
    this.timers = this.#scaled.length;
  }

  begin({ nowUs }: ClusterView, act: Controls): void {
    this.#scaled.forEach((scaled, timer) => {
      const { min, start, intervalUs } = scaled.scaling;
      const replicas = Math.min(scaled.max, Math.max(min, start));
      scaled.sinceUs = nowUs;
      scaled.observedUs = nowUs;
      scaled.wishes.push({ atUs: nowUs, replicas });
      act.setReplicas(scaled.id, replicas);
      act.wakeAt(timer, nowUs + intervalUs);
    });
  }

  woken(timer: number, view: ClusterView, act: Controls): void {
    const scaled = this.#scaled[timer];
    act.setReplicas(scaled.id, wish(scaled, view));
    act.wakeAt(timer, view.nowUs + scaled.scaling.intervalUs);
  }

  settled(view: ClusterView): void {
    for (const scaled of this.#scaled) {
      integrate(scaled, view.nowUs);
      scaled.load = view.loadOf(scaled.id);
    }
  }
}

/** The rule's answer, within bounds, or the most that was wanted within the down window. */
function wish(scaled: ScaledPool, view: ClusterView): number {
  const { scaling, id, wishes } = scaled;
  const { nowUs } = view;
  integrate(scaled, nowUs);
  const spanUs = nowUs - scaled.sinceUs;
  const wanted = scaling.replicas({
    nowUs,
    ready: view.readyOf(id),
    ordered: view.orderedOf(id),
    busyMean: scaled.busyUs / spanUs,
    waitingMean: scaled.waitingUs / spanUs,
    jobsMean: scaled.jobsUs / spanUs,
  });
  scaled.busyUs = 0;
  scaled.waitingUs = 0;
  scaled.jobsUs = 0;
  scaled.sinceUs = nowUs;
  const replicas = Math.max(scaling.min, Math.min(scaled.max, wanted));
  const fromUs = nowUs - scaling.downWindowUs;
  while (wishes.length > 0 && wishes[0].atUs <= fromUs) wishes.shift();
  while (wishes.length > 0 && wishes[wishes.length - 1].replicas <= replicas) wishes.pop();
  wishes.push({ atUs: nowUs, replicas });
  return wishes[0].replicas;
}

function integrate(scaled: ScaledPool, nowUs: number): void {
  const spanUs = nowUs - scaled.observedUs;
  const { busy, waiting, running } = scaled.load;
  scaled.busyUs += busy * spanUs;
  scaled.waitingUs += waiting * spanUs;
  scaled.jobsUs += (waiting + running) * spanUs;
  scaled.observedUs = nowUs;
}

export const none = defineController({
  name: "none",
  summary: "rules alone decide",
  idea: "No controller: each decision is made by its rule.",
  reads: "Nothing.",
  failsWhen: "A decision needs memory of its own, or several pools at once.",
  source: "None needed.",
  create: () => undefined,
});
