/** Systems of linear equations, as least squares give them. */

/**
 * Gauss-Jordan with pivoting; the last column is the right side. Null where there is no one solution: a pivot is below
 * `least`.
 */
export function solve(
  given: readonly (readonly number[])[],
  least = 1e-12,
): readonly number[] | null {
  const rows = given.map((row) => [...row]);
  const size = rows.length;
  for (let at = 0; at < size; at++) {
    let pivot = at;
    for (let i = at + 1; i < size; i++) {
      if (Math.abs(rows[i][at]) > Math.abs(rows[pivot][at])) pivot = i;
    }
    [rows[at], rows[pivot]] = [rows[pivot], rows[at]];
    if (Math.abs(rows[at][at]) < least) return null;
    for (let i = 0; i < size; i++) {
      if (i === at) continue;
      const factor = rows[i][at] / rows[at][at];
      for (let j = at; j <= size; j++) rows[i][j] -= factor * rows[at][j];
    }
  }
  return rows.map((row, i) => row[size] / row[i]);
}
