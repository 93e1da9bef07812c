/** Probability that all servers of M/G/c/c are busy. Source: Kleinrock I, section 3.6. */
export function erlangB(servers: number, load: number): number {
  let blocked = 1;
  for (let c = 1; c <= servers; c++) blocked = (load * blocked) / (c + load * blocked);
  return blocked;
}

/** Probability that an arrival of M/M/c waits. Source: Kleinrock I, section 3.5. */
export function erlangC(servers: number, load: number): number {
  const blocked = erlangB(servers, load);
  return blocked / (1 - (load / servers) * (1 - blocked));
}

/**
 * Mean wait of M/D/c. Source: Crommelin, Post Office Electrical Engineers' Journal 25, 1932; as in
 * Tijms, A First Course in Stochastic Models, 2003, section 9.6.2.
 */
export function waitMDc(rate: number, time: number, servers: number): number {
  const load = rate * time;
  let sum = 0;
  for (let i = 1; i < 100_000; i++) {
    const tail = poissonTail(i * load, i * servers);
    const beyond = tail - poissonProbability(i * load, i * servers);
    const term = tail - (servers / load) * beyond;
    sum += term;
    if (term < 1e-14) break;
  }
  return time * sum;
}

/**
 * Probabilities of 0, 1 ... n in a birth-and-death chain, n the number of `births`.
 * `births[k]` is the rate from k to k + 1, `deaths[k]` from k + 1 to k.
 * Source: Kleinrock I, section 3.1.
 */
export function birthDeath(births: readonly number[], deaths: readonly number[]): number[] {
  const weights = [1];
  births.forEach((birth, k) => {
    weights.push((weights[k] * birth) / deaths[k]);
  });
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

interface Loss {
  /** Share of the arrivals that are refused. */
  readonly refused: number;
  /** Mean number of requests that wait. */
  readonly waiting: number;
}

/** M/M/c/K: at most `places` in the system. Source: Kleinrock I, section 3.6. */
export function lossMMcK(rate: number, mean: number, servers: number, places: number): Loss {
  const births = new Array<number>(places).fill(rate);
  const deaths = births.map((_, k) => Math.min(k + 1, servers) / mean);
  const probability = birthDeath(births, deaths);
  const waiting = probability.reduce((sum, p, n) => sum + p * Math.max(0, n - servers), 0);
  return { refused: probability[places], waiting };
}

function poissonProbability(mean: number, k: number): number {
  return Math.exp(k * Math.log(mean) - mean - logFactorial(k));
}

/** P(X >= k) for k at or above the mean. */
function poissonTail(mean: number, k: number): number {
  let term = poissonProbability(mean, k);
  let sum = 0;
  for (let n = k; term > sum * 1e-17; n++) {
    sum += term;
    term *= mean / (n + 1);
  }
  return sum;
}

function logFactorial(n: number): number {
  let sum = 0;
  for (let k = 2; k <= n; k++) sum += Math.log(k);
  return sum;
}

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

/** Mean wait of M/M/c. Source: Kleinrock I, section 3.5. */
export function waitMMc(rate: number, mean: number, servers: number): number {
  const load = rate * mean;
  return (erlangC(servers, load) * mean) / (servers - load);
}
