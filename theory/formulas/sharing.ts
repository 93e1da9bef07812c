/** Processor sharing: everything in service at once, at a speed that depends on how many there are. */
import { birthDeath } from "./many-servers.ts";

/**
 * Mean latency of M/G/1 processor sharing, whatever the law of service.
 * Source: Kleinrock, Queueing Systems II, 1976, section 4.4.
 */
export function latencyProcessorSharing(rate: number, mean: number): number {
  return mean / (1 - rate * mean);
}

/**
 * Mean latency where each of n requests in service runs 1/slowdown(n) as fast as alone. Holds for
 * any law of service if all are in service at once (`places` Infinity), and for exponential
 * service where only `places` are and the others wait.
 * Source: Cohen, "The multiple phase service network with generalized processor sharing", Acta
 * Informatica 12, 1979.
 */
export function latencyShared(
  rate: number,
  mean: number,
  slowdown: (busy: number) => number,
  places: number,
): number {
  const births = new Array<number>(2000).fill(rate);
  const deaths = births.map((_, k) => {
    const busy = Math.min(k + 1, places);
    return busy / slowdown(busy) / mean;
  });
  const inSystem = birthDeath(births, deaths).reduce((sum, p, n) => sum + n * p, 0);
  return inSystem / rate;
}
