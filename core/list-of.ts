/**
 * Lists that a simulation reads at its events. V8 keeps what `map` makes in one form while the caller
 * is interpreted and in another ("holey") once it is compiled, and throws away all code compiled for
 * the one at the first of the other: in a sweep, again and again.
 */

/** As `items.map(make)`, in the same form each time. */
export function listOf<T, R>(items: readonly T[], make: (item: T, index: number) => R): R[] {
  return Array.from(items, make);
}
