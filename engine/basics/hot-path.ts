/** Forms of values that keep V8's compiled code valid, and V8's options. Hot path: see docs/hot-path.md */

/** Zero for a field that will hold times or sums past 2^31: -0 is a double from the start. */
export const DOUBLE_ZERO = -0;

/** As `items.map(make)`, but always in the same form: `map` makes another one once its caller is compiled. */
export function listOf<T, R>(items: readonly T[], make: (item: T, index: number) => R): R[] {
  return Array.from(items, make);
}

/**
 * V8's options for a look after so many bytes of bytecode (its own: 67,584). Only Node 20's V8 has
 * this option; later ones count calls, and Node does not start with an option that it does not know.
 * `node` is the version, like 20.19.0. For single simulations neither more nor fewer calls are a gain there (bench/README.md).
 */
export function interruptBudget(bytes: number, node: string): readonly string[] {
  return node.startsWith("20.") ? [`--interrupt-budget=${bytes}`] : [];
}

/**
 * The counterpart of Node 24's V8: the best compiler takes a function after so many calls (its own: 3000).
 * Node 22 has the option too, without a gain.
 */
export function optimisedAfter(calls: number, node: string): readonly string[] {
  return node.startsWith("24.") ? [`--invocation-count-for-turbofan=${calls}`] : [];
}

/** Larger limits of inlining, in bytes of bytecode: of one function, and of all in one, soft and hard (V8's own: 460, 920 and 4600). */
export const MORE_INLINING: readonly string[] = [
  "--max-inlined-bytecode-size=800",
  "--max-inlined-bytecode-size-cumulative=8000",
  "--max-inlined-bytecode-size-absolute=40000",
];
