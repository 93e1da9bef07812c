/** Batches by their expected times, µs, by size; index 0 is unused. */

/** The largest batch of up to `most` jobs that takes no longer than a budget; 0: none does. */
export function batchWithin(batchUs: ArrayLike<number>, most: number, budgetUs: number): number {
  let batch = most;
  while (batch > 0 && batchUs[batch] > budgetUs) batch--;
  return batch;
}

/** Jobs per second of one replica in the best batches of up to `most` jobs. */
export function mostPerS(batchUs: ArrayLike<number>, most: number): number {
  let best = 0;
  for (let batch = 1; batch <= most; batch++) {
    best = Math.max(best, (batch * 1e6) / Math.max(1, batchUs[batch]));
  }
  return best;
}
