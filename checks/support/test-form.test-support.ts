/** The two forms of the tests: `npm test` is quick, `npm run test:long` has all of them. */

/** Whether this is `npm run test:long`. */
export const IS_LONG = process.env.TANDEM_TESTS === "long";

/**
 * How many cases of a property to try: all in the long form, a fifth in the quick one. Tests that
 * import this file run in both forms (`vitest.config.ts`).
 */
export function cases(all: number): number {
  return IS_LONG ? all : Math.ceil(all / 5);
}
