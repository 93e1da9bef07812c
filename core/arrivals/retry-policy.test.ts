import { expect, test } from "vitest";
import { moments } from "../random/distribution-checks.test-support.ts";
import { clientSchema } from "../scenario/schema/workload.ts";
import { RetryPolicy } from "./retry-policy.ts";

const policyOf = (client: Readonly<Record<string, unknown>>): RetryPolicy =>
  new RetryPolicy(clientSchema.parse({ timeoutMs: 1, ...client }), "1/0");

test("jitter takes a random share of each pause, each retry's its own", () => {
  const policy = policyOf({ retries: 2, backoffMs: 10, backoffFactor: 1, jitter: 0.6 });
  const pauses = Array.from({ length: 4000 }, () => {
    const draws = policy.arrived();
    return [0, 1].map((retry) => policy.pauseUs(retry, draws) ?? Number.NaN);
  });
  for (const retry of [0, 1]) {
    const values = Float64Array.from(pauses, (pair) => pair[retry]);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(4000);
    expect(Math.max(...values)).toBeLessThanOrEqual(10_000);
    const { mean, deviation } = moments(values);
    expect(Math.abs(mean - 7000)).toBeLessThan((4 * deviation) / Math.sqrt(4000));
  }
  const product = pauses.reduce(
    (sum, [a, b]) => sum + ((a - 7000) / 6000) * ((b - 7000) / 6000),
    0,
  );
  // Independent uniform draws: the products have mean 0 and deviation 1/12.
  expect(Math.abs(product / 4000)).toBeLessThan(4 / 12 / Math.sqrt(4000));
});

test("a budget lets a burst of retries through, and then a share of the requests", () => {
  const policy = policyOf({ retries: 20, retryBudget: { ratio: 0.25, burst: 3 } });
  const draws = policy.arrived();
  const granted = (tries: number): number =>
    Array.from({ length: tries }, () => policy.pauseUs(0, draws)).filter((us) => us !== null)
      .length;
  expect(granted(10)).toBe(3);
  for (let i = 0; i < 8; i++) policy.arrived();
  expect(granted(10)).toBe(2);
  for (let i = 0; i < 1000; i++) policy.arrived();
  expect(granted(10)).toBe(3);
});
