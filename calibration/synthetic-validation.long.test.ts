/** How often verdicts on real models are wrong: docs/statistics.md has the rates of 500 validations of each kind. */
import { expect, test } from "vitest";
import { type InjectedFault, SyntheticValidation } from "./synthetic-validation.test-support.ts";

/** Least effect of a wrong structure on the mean latency that a verdict is to find. */
const LEAST_EFFECT = 0.1;
const TOLERANCE = { latencyMeanMs: 0.05, latencyP95Ms: 0.1 };

/** Shares of validations of one kind, with the product's own looks. */
function ratesOf(fault: InjectedFault, validations: number) {
  const found = { agrees: 0, disagrees: 0, untold: 0, named: 0, blocks: 0 };
  const isStructural = fault === "contention" || fault === "replica";
  for (let seed = 0, done = 0; done < validations; seed++) {
    const validation = new SyntheticValidation(seed, fault);
    if (isStructural && Math.abs(validation.effect()) < LEAST_EFFECT) continue;
    done++;
    const { judgement, blocks } = validation.judged(TOLERANCE);
    const { verdict, culprit } = judgement;
    found[verdict === "cannot tell" ? "untold" : verdict] += 1 / validations;
    if (culprit !== undefined && isNamed(fault, culprit, validation))
      found.named += 1 / validations;
    found.blocks += blocks / validations;
  }
  return found;
}

function isNamed(fault: InjectedFault, culprit: string, { faulty }: SyntheticValidation): boolean {
  if (fault === "profile") return culprit === `profile of ${faulty}`;
  if (fault === "contention") return /^service of \w+ under load$/.test(culprit);
  return fault === "replica" && culprit === "queueing";
}

test("an exact prediction is rarely said to disagree", () => {
  const { disagrees, agrees } = ratesOf("none", 60);
  // Five in a hundred at most; 60 of them have more than four with a chance of 18%.
  expect(disagrees).toBeLessThanOrEqual(4 / 60);
  expect(agrees).toBeGreaterThan(0.2);
});

test("a profile that is 15% off is found, and named", () => {
  const { named } = ratesOf("profile", 100);
  expect(named).toBeGreaterThanOrEqual(0.9);
});

test("contention that predictions leave out is found in the service under load", () => {
  const { disagrees, named } = ratesOf("contention", 50);
  expect(disagrees).toBeGreaterThanOrEqual(0.9);
  expect(named).toBeGreaterThanOrEqual(0.85);
});

test("a replica less than predicted is found in the queueing", () => {
  const { disagrees, named } = ratesOf("replica", 50);
  expect(disagrees).toBeGreaterThanOrEqual(0.9);
  expect(named).toBeGreaterThanOrEqual(0.85);
});
