/** One server that takes up to so many waiting requests at once. */

/**
 * Mean wait where a batch takes an exponential time, however many it holds.
 * Source: Medhi, Stochastic Models in Queueing Theory, 2003, section 4.3: the queue while busy is
 * geometric in the root of mu z^(b+1) − (lambda + mu) z + lambda.
 */
export function waitExponentialBatches(rate: number, mean: number, most: number): number {
  const serviceRate = 1 / mean;
  let root = 0;
  for (let i = 0; i < 10_000; i++) {
    root = (rate + serviceRate * root ** (most + 1)) / (rate + serviceRate);
  }
  const idle = 1 / (1 + (rate * mean) / (1 - root));
  const queue = (rate * mean * idle * root) / (1 - root) ** 2;
  return queue / rate;
}

/**
 * Mean latency where a batch of b takes the constant `time(b)`, with at most `most` in a batch:
 * the chain of requests left behind by a batch, solved numerically. A batch starts as soon as the
 * server is free and somebody waits. `room` bounds the chain and must hold nearly all of it.
 * Source: Neuts, "A general class of bulk queues with Poisson input", Annals of Mathematical
 * Statistics 38(3), 1967.
 */
export function latencyFixedBatches(
  rate: number,
  time: (batch: number) => number,
  most: number,
  room: number,
): number {
  const sizeAfter = (left: number): number => Math.min(Math.max(left, 1), most);
  const arrivals = new Map<number, number[]>();
  for (let left = 0; left <= room; left++) {
    const size = sizeAfter(left);
    if (!arrivals.has(size)) arrivals.set(size, poisson(rate * time(size), room));
  }
  let share = new Array<number>(room + 1).fill(0);
  share[0] = 1;
  for (let step = 0, change = 1; step < 200_000 && change > 1e-13; step++) {
    const next = new Array<number>(room + 1).fill(0);
    share.forEach((probability, left) => {
      if (probability < 1e-18) return;
      const behind = Math.max(left, 1) - sizeAfter(left);
      const coming = arrivals.get(sizeAfter(left)) ?? [];
      for (let n = 0; n + behind <= room; n++) next[n + behind] += probability * coming[n];
    });
    change = next.reduce((sum, p, i) => sum + Math.abs(p - share[i]), 0);
    share = next;
  }
  // Per batch: the time until the next one starts after it, and the area under the queue.
  let cycle = 0;
  let inSystem = 0;
  share.forEach((probability, left) => {
    const size = sizeAfter(left);
    const busy = time(size);
    cycle += probability * (busy + (left === 0 ? 1 / rate : 0));
    inSystem += probability * (Math.max(left, 1) * busy + (rate * busy * busy) / 2);
  });
  return inSystem / cycle / rate;
}

/** Mean wait for a batch of exactly `size` to fill: an arrival waits for (size − 1) / 2 others. */
export function waitToFill(rate: number, size: number): number {
  return (size - 1) / (2 * rate);
}

function poisson(mean: number, most: number): number[] {
  const result = [Math.exp(-mean)];
  for (let n = 1; n <= most; n++) result.push((result[n - 1] * mean) / n);
  return result;
}
