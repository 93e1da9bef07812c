/** Closed forms of priorities, impatience and processor sharing. */
import { birthDeath } from "./many-servers-formulas.ts";

interface PriorityClass {
  readonly rate: number;
  readonly mean: number;
  /** Coefficient of variation of the service time. */
  readonly cv: number;
}

/**
 * Mean wait of each class in M/G/1 with non-preemptive priorities, highest class first.
 * Source: Cobham, "Priority assignment in waiting line problems", Operations Research 2(1), 1954.
 */
export function waitsByPriority(classes: readonly PriorityClass[]): number[] {
  const residual = classes.reduce(
    (sum, { rate, mean, cv }) => sum + (rate * mean * mean * (1 + cv * cv)) / 2,
    0,
  );
  let before = 0;
  return classes.map(({ rate, mean }) => {
    const upTo = before + rate * mean;
    const wait = residual / ((1 - before) * (1 - upTo));
    before = upTo;
    return wait;
  });
}

interface Impatient {
  /** Share of the requests whose answer comes in time. */
  readonly answered: number;
  /** Share of time that the server is busy. */
  readonly busy: number;
}

/**
 * M/M/1 whose requests leave the queue after `patience`; one in service is served to its end, too
 * late or not. Those wait who find less than `patience` of work, so the density of the work is
 * lambda p0 exp(−(mu − lambda) x) up to there, and falls with mu beyond it.
 * Source: Barrer, "Queuing with impatient customers and ordered service", Operations Research
 * 5(5), 1957, for limited waits; that the answer must come in time is integrated here.
 */
export function impatientMM1(rate: number, mean: number, patience: number): Impatient {
  const serviceRate = 1 / mean;
  const spare = serviceRate - rate;
  const drop = Math.exp(-spare * patience);
  const waiting = (rate * (1 - drop)) / spare;
  const idle = 1 / (1 + waiting + (rate / serviceRate) * drop);
  // Work x before one's own leaves patience − x for it.
  const tooLate = Math.exp(-serviceRate * patience);
  const answered = 1 - tooLate + waiting - tooLate * (Math.exp(rate * patience) - 1);
  return { answered: idle * answered, busy: 1 - idle };
}

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
