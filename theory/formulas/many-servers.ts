/** Several servers at one queue. `load` is the offered load, rate × mean, in servers. */

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

/** Mean wait of M/M/c. Source: Kleinrock I, section 3.5. */
export function waitMMc(rate: number, mean: number, servers: number): number {
  const load = rate * mean;
  return (erlangC(servers, load) * mean) / (servers - load);
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
