/** Slow-down with `busy` batches; beyond the curve the whole speed stays what it was at its end. */
export function slowdownOf(curve: readonly number[], busy: number): number {
  if (busy <= 0) return 1;
  if (busy <= curve.length) return curve[busy - 1];
  return (curve[curve.length - 1] * busy) / curve.length;
}
