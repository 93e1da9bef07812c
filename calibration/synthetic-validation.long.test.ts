/**
 * How often verdicts on real models are wrong. docs/statistics.md has the rates of 120 or 200 validations of each kind;
 * VALIDATIONS=200 repeats them.
 */
import { describe, expect, test } from "vitest";
import { type InjectedFault, SyntheticValidation } from "./synthetic-validation.test-support.ts";

/** Least effect of a wrong structure on the mean latency that a verdict is to find. */
const LEAST_EFFECT = 0.1;
const TOLERANCE = { latencyMeanMs: 0.05, latencyP95Ms: 0.1, latencyP99Ms: 0.15 };
const TIMEOUT_MS = 3_600_000;

/** Shares of `validations` of one kind, with the product's own looks. */
function ratesOf(fault: InjectedFault, few: number) {
  const validations = Number(process.env.VALIDATIONS ?? few);
  const counts = { agrees: 0, disagrees: 0, "cannot tell": 0, named: 0, blocks: 0 };
  const isStructural = fault === "contention" || fault === "replica";
  for (let seed = 0, done = 0; done < validations; seed++) {
    const validation = new SyntheticValidation(seed, fault);
    if (isStructural && Math.abs(validation.effect()) < LEAST_EFFECT) continue;
    done++;
    const { judgement, blocks } = validation.judged(TOLERANCE);
    const { verdict, culprit = "" } = judgement;
    counts[verdict]++;
    if (isNamed(fault, culprit, validation)) counts.named++;
    counts.blocks += blocks;
  }
  const rates = { ...counts };
  for (const key of Object.keys(counts) as (keyof typeof counts)[]) rates[key] /= validations;
  console.log(fault, validations, rates);
  return rates;
}

function isNamed(fault: InjectedFault, culprit: string, { faulty }: SyntheticValidation): boolean {
  if (fault === "profile") return culprit === `profile of ${faulty}`;
  if (fault === "contention") return /^service( of \w+)? under load/.test(culprit);
  return fault === "replica" && culprit === "queueing";
}

describe("verdicts on real models", { timeout: TIMEOUT_MS }, () => {
  test("an exact prediction is rarely said to disagree, and often to agree", () => {
    const { disagrees, agrees } = ratesOf("none", 40);
    expect(disagrees).toBeLessThanOrEqual(0.05);
    expect(agrees).toBeGreaterThan(0.25);
  });

  test("a profile that is 15% off is found, and named", () => {
    expect(ratesOf("profile", 40).named).toBeGreaterThanOrEqual(0.9);
  });

  test("contention that predictions leave out is found in the service under load", () => {
    const { disagrees, named } = ratesOf("contention", 20);
    expect(disagrees).toBeGreaterThanOrEqual(0.9);
    expect(named).toBeGreaterThanOrEqual(0.85);
  });

  test("a replica less than predicted is found in the queueing", () => {
    const { disagrees, named } = ratesOf("replica", 20);
    expect(disagrees).toBeGreaterThanOrEqual(0.9);
    expect(named).toBeGreaterThanOrEqual(0.9);
  });

  test("a host that became slower is rarely taken for a false profile", () => {
    expect(ratesOf("host", 20).disagrees).toBeLessThanOrEqual(0.1);
  });
});
