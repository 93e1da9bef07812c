/** Mean and Student's t confidence interval of independent values, one per replication. */
import type { Estimate } from "../results.ts";
import { studentT975 } from "./student-t.ts";

/**
 * Mean and half width of its 95% confidence interval. One value alone has no interval: its half
 * width is 0 by convention, and whoever prints it says "one replication".
 */
export function estimate(values: readonly number[]): Estimate {
  const n = values.length;
  // A sum of equal values may differ from their multiple in the last bits.
  if (values.every((value) => Object.is(value, values[0]))) {
    return { mean: values[0] ?? Number.NaN, halfWidth95: 0 };
  }
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, halfWidth95: (studentT975(n - 1) * Math.sqrt(squares / (n - 1))) / Math.sqrt(n) };
}
