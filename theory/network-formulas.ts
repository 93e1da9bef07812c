export interface Station {
  /** Mean service time of a visit. */
  readonly mean: number;
  /** Mean number of visits per cycle. */
  readonly visits: number;
  readonly servers: number;
}

interface Closed {
  /** Cycles per unit of time. */
  readonly throughput: number;
  /** Mean time per cycle at the stations, the pause between cycles left out. */
  readonly latency: number;
}

/**
 * Exact mean value analysis with queue-length probabilities for stations of several servers.
 * Source: Reiser & Lavenberg, "Mean-value analysis of closed multichain queuing networks",
 * J. ACM 27(2), 1980.
 */
export function meanValueAnalysis(
  clients: number,
  think: number,
  stations: readonly Station[],
): Closed {
  // shares[i][j]: probability that j clients are at station i, with one client less.
  let shares = stations.map(() => [1]);
  let closed: Closed = { throughput: 0, latency: 0 };
  for (let n = 1; n <= clients; n++) {
    const residence = stations.map(({ mean, servers }, i) => {
      let time = 0;
      for (let j = 1; j <= n; j++) {
        time += (j * mean * (shares[i][j - 1] ?? 0)) / Math.min(j, servers);
      }
      return time;
    });
    const latency = residence.reduce((sum, time, i) => sum + stations[i].visits * time, 0);
    const throughput = n / (think + latency);
    shares = stations.map(({ mean, visits, servers }, i) => {
      const next = [0];
      for (let j = 1; j <= n; j++) {
        const flow = throughput * visits * mean;
        next[j] = (flow * (shares[i][j - 1] ?? 0)) / Math.min(j, servers);
      }
      next[0] = 1 - next.reduce((sum, share) => sum + share, 0);
      return next;
    });
    closed = { throughput, latency };
  }
  return closed;
}

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
