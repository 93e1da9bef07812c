/** Batches within a task's share of its SLO, of which Proteus and Loki keep the rest for waiting. */
import { z } from "zod";
import { membersOf } from "../../../engine/system/system.ts";
import { largestBatch } from "../../rules/parameters.ts";
import type { PolicyContext } from "../../rules/policy-definition.ts";
import { batchWithin, goalSharesUs } from "../../rules/ways.ts";

export const shareOfGoal = z
  .number()
  .min(0.01)
  .max(1)
  .default(0.5)
  .describe("share of the SLO for service, split over the tasks; the rest is for waiting");
export const maxBatch = largestBatch(64, "the most jobs of a batch");

/** By replica of a pool: the largest batch whose expected time is within the task's share of the goal; at least 1. */
export function largestOf(
  { system, pool, maxBatch }: PolicyContext,
  given: number,
  shareOfGoal: number,
): ReadonlyMap<number, number> {
  const budgetUs = goalSharesUs(system, shareOfGoal)[pool];
  return new Map(
    membersOf(system.pools[pool]).map((replica) => {
      const { meanUs } = system.replicas[replica].service;
      return [replica, Math.max(1, batchWithin(meanUs, Math.min(given, maxBatch), budgetUs))];
    }),
  );
}
