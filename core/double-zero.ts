/**
 * Zero, for fields that will hold times or sums past 2^31. V8 keeps a field that has held whole
 * numbers below that only as such, and drops all optimised code that reads it once it holds more:
 * 36 minutes of virtual time into a run, to a third of the speed. -0 is a double from the start.
 */
export const DOUBLE_ZERO = -0;
