/** The decision table: the arm to use in each case, and the gain that it has where it was not chosen. */
import type { Estimate } from "../../engine/statistics/estimate.ts";
import { estimate } from "../../engine/statistics/estimate.ts";
import type { AnyCase, Case, Decision, Level } from "../../results/which-scheduler.ts";
import { capacityOf, shortestSloMs } from "./cases.ts";
import {
  type CaseResult,
  judged,
  MARGIN,
  type Member,
  memberOf,
  pointsOver,
  type Sampled,
} from "./field.ts";

type Choice = (members: readonly Member[]) => Member | undefined;

/**
 * The simplest of the best arms whose mean is within the margin of the highest. (A wide interval alone makes none the one
 * to use.)
 */
const toUse: Choice = (members) => {
  const best = members.filter(({ isBest, arm }) => isBest && arm.kind !== "ablation");
  const least = (1 - MARGIN) * Math.max(...best.map(({ goodput }) => goodput.mean));
  return best.find(({ goodput }) => goodput.mean >= least);
};

/** The arm with the highest mean. */
export const highest: Choice = (members) =>
  members
    .filter(({ arm }) => arm.kind !== "ablation")
    .reduce((a, b) => (b.goodput.mean > a.goodput.mean ? b : a));

/**
 * The goodput in each window of the arm that all other windows choose: windows flatter the arm that they choose, as its
 * luck there is one of the reasons.
 */
export function unseen(members: readonly Member[], choose: Choice): Sampled {
  const samples = members[0].samples.map((_, window) => {
    const others = members.map((member): Member => {
      const samples = member.samples.filter((_, w) => w !== window);
      return { ...member, samples, goodput: estimate(samples) };
    });
    const chosen = choose(judged(others));
    return members.find(({ arm }) => arm === chosen?.arm)?.samples[window] ?? 0;
  });
  return { samples };
}

/** The rows of the decision table. */
export function decisions<Of extends AnyCase>(
  results: readonly CaseResult<Of>[],
): readonly Decision<Of>[] {
  return results.map((result): Decision<Of> => {
    const { of, members } = result;
    const use = toUse(members);
    if (use === undefined) return { case: of, use: null };
    const [baseline] = members;
    const own = use === baseline ? baseline : unseen(members, toUse);
    const { name, scheduler, policy } = use.arm;
    const best = members.filter(({ isBest, arm }) => isBest && arm.kind !== "ablation");
    return {
      case: of,
      use: {
        name,
        scheduler,
        ...(policy !== undefined && { policy }),
        ...(use.arm.kind === "tuned" && "batching" in of && { sloMs: shortestSloMs(of) }),
        goodput: inPercent(estimate(own.samples)),
        overFifo: rounded(pointsOver(own, baseline)),
        ...("batching" in of && {
          deviceHours: { own: hoursOf(of, use), fifo: hoursOf(of, baseline) },
        }),
        beside: best.flatMap((one) => (one === use ? [] : [one.arm.name])),
        loses: lossNearBy(results, of, name),
      },
    };
  });
}

/** Hours of devices for a million requests in time: each device costs one an hour. */
function hoursOf(of: Case, { costs }: Member): Estimate | null {
  if (costs === null) return null;
  const millionsPerHour = (capacityOf(of) * 3600) / 1e6;
  const { mean, halfWidth95 } = estimate(costs.map((cost) => cost / millionsPerHour));
  return { mean: Number(mean.toPrecision(4)), halfWidth95: Number(halfWidth95.toPrecision(3)) };
}

/** The neighbouring case, one factor apart, in which the arm is furthest behind the best; null where it is among them. */
function lossNearBy<Of extends AnyCase>(
  results: readonly CaseResult<Of>[],
  of: Of,
  name: string,
): NonNullable<Decision["use"]>["loses"] {
  const losses = results.flatMap((result) => {
    const factors = Object.keys(of) as (keyof Of)[];
    const [factor, more] = factors.filter((key) => result.of[key] !== of[key]);
    const own = memberOf(result, name);
    if (factor === undefined || more !== undefined || own === undefined || own.isBest) return [];
    const best = highest(result.members) as Member;
    const points = rounded(pointsOver(own, unseen(result.members, highest)));
    if (points.mean >= 0) return [];
    return [{ where: result.of[factor] as Level, to: best.arm.name, points }];
  });
  return losses.sort((a, b) => a.points.mean - b.points.mean)[0] ?? null;
}

export const inPercent = ({ mean, halfWidth95 }: Estimate): Estimate =>
  rounded({ mean: 100 * mean, halfWidth95: 100 * halfWidth95 });

export const rounded = ({ mean, halfWidth95 }: Estimate): Estimate => ({
  mean: Number(mean.toFixed(1)),
  halfWidth95: Number(halfWidth95.toFixed(1)),
});
