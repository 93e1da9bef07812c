/** One server and classes of requests, the first before all others. */

export interface PriorityClass {
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
