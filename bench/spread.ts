/** Several measurements of one figure: their median, and the range that says how steady it is. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** Of an even number of values the lower of the two in the middle; `values` is not empty. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    median: sorted[(sorted.length - 1) >> 1],
    least: sorted[0],
    most: sorted[sorted.length - 1],
  };
}

/** `0.32 (0.30 to 0.33)`. */
export function shown({ median, least, most }: Spread, digits = 2): string {
  return `${median.toFixed(digits)} (${least.toFixed(digits)} to ${most.toFixed(digits)})`;
}

/** `rounds` times the first and then the second, each with the round's own seed, from 1. */
export function inTurn<First, Second>(
  rounds: number,
  first: (seed: number) => First,
  second: (seed: number) => Second,
): (readonly [First, Second])[] {
  return Array.from({ length: rounds }, (_, round) => [first(round + 1), second(round + 1)]);
}
