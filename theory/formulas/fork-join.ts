/** Requests that split into parallel tasks and end with some of them. */

/**
 * Mean latency of a fork into two M/M/1 queues of the same speed, joined by the last.
 * Source: Flatto & Hahn, SIAM J. Applied Mathematics 44, 1984; in this form in Nelson & Tantawi,
 * IEEE Transactions on Computers 37(6), 1988.
 */
export function latencyForkJoin2(rate: number, mean: number): number {
  const load = rate * mean;
  return (((12 - load) / 8) * mean) / (1 - load);
}

/**
 * Mean of the k-th smallest of n exponential times of equal mean.
 * Source: Rényi, Acta Mathematica Hungarica 4, 1953.
 */
export function orderStatistic(mean: number, n: number, k: number): number {
  let sum = 0;
  for (let i = 0; i < k; i++) sum += mean / (n - i);
  return sum;
}
