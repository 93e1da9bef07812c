/** Forms of values that keep V8's compiled code valid. Hot path: see docs/hot-path.md */

/** Zero for a field that will hold times or sums past 2^31: -0 is a double from the start. */
export const DOUBLE_ZERO = -0;

/** As `items.map(make)`, but always in the same form: `map` makes another one once its caller is compiled. */
export function listOf<T, R>(items: readonly T[], make: (item: T, index: number) => R): R[] {
  return Array.from(items, make);
}
