/** One exponential server and clients that give up a fixed time after they have come. */

export interface Impatient {
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
