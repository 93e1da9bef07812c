/** Closed forms of queueing theory. Rates and times are in any one unit. */

/** Probability that an arrival waits in M/M/c. Source: Kleinrock, Queueing Systems I, 3.5. */
export function erlangC(servers: number, load: number): number {
  const blocked = erlangB(servers, load);
  return blocked / (1 - (load / servers) * (1 - blocked));
}

/** Probability that all servers of M/M/c/c are busy. Source: Kleinrock I, 3.6. */
export function erlangB(servers: number, load: number): number {
  let blocked = 1;
  for (let c = 1; c <= servers; c++) blocked = (load * blocked) / (c + load * blocked);
  return blocked;
}

/** Mean wait of M/G/1 by Pollaczek and Khinchine. Source: Kleinrock I, 5.6. */
export function waitMG1(rate: number, mean: number, cv: number): number {
  const load = rate * mean;
  return (load * mean * (1 + cv * cv)) / (2 * (1 - load));
}

/** Probability that M/M/1/K is full. Source: Kleinrock I, 3.6. */
export function lossMM1K(load: number, places: number): number {
  return ((1 - load) * load ** places) / (1 - load ** (places + 1));
}

/**
 * Mean latency of G/M/1 whose gaps are gamma: the root of s = A*(mu (1 - s)).
 * Source: Kleinrock I, 6.4.
 */
export function latencyGM1(rate: number, serviceRate: number, gapCv: number): number {
  const shape = 1 / (gapCv * gapCv);
  let root = 0;
  for (let i = 0; i < 1000; i++) {
    const argument = serviceRate * (1 - root);
    root = gapCv === 0 ? Math.exp(-argument / rate) : (1 + argument / (rate * shape)) ** -shape;
  }
  return 1 / (serviceRate * (1 - root));
}

/**
 * Mean time per cycle at the stations of a closed network with single exponential servers and a
 * pause between cycles. Source: Reiser & Lavenberg, J. ACM 27(2), 1980 (mean value analysis).
 */
export function latencyClosed(clients: number, think: number, services: readonly number[]): number {
  const queue = services.map(() => 0);
  let latency = 0;
  for (let n = 1; n <= clients; n++) {
    const residence = services.map((service, i) => service * (1 + queue[i]));
    latency = residence.reduce((sum, time) => sum + time, 0);
    const throughput = n / (think + latency);
    for (let i = 0; i < queue.length; i++) queue[i] = throughput * residence[i];
  }
  return latency;
}

/** Mean latency of the machine-repairman model M/M/c//N, from its birth-death chain. */
export function latencyRepairman(
  clients: number,
  think: number,
  servers: number,
  service: number,
): number {
  const weight = [1];
  for (let n = 0; n < clients; n++) {
    weight.push((weight[n] * (clients - n) * service) / (think * Math.min(n + 1, servers)));
  }
  const total = weight.reduce((sum, w) => sum + w, 0);
  const inSystem = weight.reduce((sum, w, n) => sum + n * w, 0) / total;
  return inSystem / ((clients - inSystem) / think);
}

/**
 * Mean wait of one exponential server that takes up to `most` waiting jobs at once, in a time that
 * does not depend on how many. Source: Medhi, Stochastic Models in Queueing Theory, 4.3: the queue
 * while busy is geometric in the root of mu z^(b+1) - (lambda + mu) z + lambda.
 */
export function waitBulkService(rate: number, service: number, most: number): number {
  const serviceRate = 1 / service;
  let root = 0;
  for (let i = 0; i < 10_000; i++) {
    root = (rate + serviceRate * root ** (most + 1)) / (rate + serviceRate);
  }
  const idle = 1 / (1 + (rate * service) / (1 - root));
  const queue = (rate * service * idle * root) / (1 - root) ** 2;
  return queue / rate;
}
