/**
 * When has a run seen enough to say that a share p of all queries is within some latency? Of n
 * independent queries each is over it with probability 1 − p; that t or fewer of them are must be
 * less likely than 1 − c:
 *
 *   P[Binomial(n, 1 − p) ≤ t] < 1 − c
 *
 * Source: MLPerf Inference Rules, "Early Stopping" (c = 0.99, no tolerance).
 */

const CONFIDENCE = 0.99;

/**
 * The most queries over the latency with which n queries show that a share p is within it; −1 when
 * not even none would do.
 */
export function mostOver(n: number, p: number): number {
  const logOdds = Math.log((1 - p) / p);
  let logTerm = n * Math.log(p);
  let sum = 0;
  for (let t = 0; t <= n; t++) {
    if (t > 0) logTerm += logOdds + Math.log((n - t + 1) / t);
    sum += Math.exp(logTerm);
    if (sum >= 1 - CONFIDENCE) return t - 1;
  }
  return n;
}

/** The fewest queries that show that a share p is within a latency which `over` of them were not. */
export function fewestQueries(over: number, p: number): number {
  let enough = 1;
  while (mostOver(enough, p) < over) enough *= 2;
  let tooFew = enough / 2;
  while (enough - tooFew > 1) {
    const middle = Math.floor((enough + tooFew) / 2);
    if (mostOver(middle, p) < over) tooFew = middle;
    else enough = middle;
  }
  return enough;
}
