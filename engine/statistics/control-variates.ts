/** Means over runs that figures of the same runs sharpen, where the expectation of these is known. */
import { meanOf, sumOf } from "./estimate.ts";
import { solve } from "./linear-system.ts";

/** Runs on each side of its expectation that a control needs: fewer do not show how the values follow it. */
const FEWEST = 10;
/** Keeps the regression solvable where two controls always change together. */
const RIDGE = 1e-6;

/**
 * The values of runs less what their controls explain. A control is a figure of the run less its expectation, such as
 * the share of time for which a machine was up; all runs have the same ones. The result has the mean of the regression
 * where all controls are as expected, and Student's t over it has the error of that mean. Returns the values where no
 * control tells enough.
 * Source: Lavenberg & Welch, "A perspective on the use of control variables to increase the efficiency of Monte Carlo
 * simulations", Management Science 27(3), 1981.
 */
export function controlled(
  values: readonly number[],
  controls: readonly (readonly number[])[],
): readonly number[] {
  const runs = values.length;
  const columns = (controls[0] ?? []).map((_, c) => controls.map((own) => own[c]));
  const used = columns.filter((column) =>
    [-1, 1].every((side) => column.filter((one) => side * one > 0).length >= FEWEST),
  );
  const freedom = runs - 1 - used.length;
  const isWhole = controls.every(({ length }) => length === columns.length);
  if (used.length === 0 || freedom < 1 || !isWhole) return values;
  const means = used.map(meanOf);
  const centred = used.map((column, c) => column.map((one) => one - means[c]));
  const products = centred.map((a, i) =>
    centred.map((b, j) => dot(a, b) * (i === j ? 1 + RIDGE : 1)),
  );
  const solvedFor = (right: readonly number[]): readonly number[] =>
    solve(
      products.map((row, i) => [...row, right[i]]),
      0,
    ) ?? means.map(() => 0);
  const slopes = solvedFor(centred.map((column) => dot(column, values)));
  const mean = meanOf(values);
  const expected = mean - dot(slopes, means);
  // Student's t divides by the runs less one, and knows nothing of the doubt of the slopes.
  const wider = ((runs - 1) / freedom) * (1 + runs * dot(means, solvedFor(means)));
  return values.map((value, i) => {
    const explained = sumOf(slopes.map((slope, c) => slope * centred[c][i]));
    return expected + (value - mean - explained) * Math.sqrt(wider);
  });
}

function dot(a: readonly number[], b: readonly number[]): number {
  return sumOf(a.map((one, i) => one * b[i]));
}
