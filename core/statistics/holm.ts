/**
 * P values adjusted for how many questions are asked at once: below 5%, a difference is real with
 * at most a 5% chance that any one of them is not.
 * Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
 * Statistics 6(2), 1979.
 */
export function holmAdjusted(pValues: readonly number[]): number[] {
  const order = pValues.map((_, i) => i).sort((a, b) => pValues[a] - pValues[b]);
  const adjusted = new Array<number>(pValues.length);
  let least = 0;
  for (const [rank, i] of order.entries()) {
    least = Math.max(least, Math.min(1, pValues[i] * (pValues.length - rank)));
    adjusted[i] = least;
  }
  return adjusted;
}
