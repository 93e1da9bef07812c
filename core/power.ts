/**
 * x to the power p for x >= 0. V8 12 and V8 13 (Node 22 and 24) differ in the last bits of `**`,
 * and runs are to be equal to the bit: exponential and logarithm have been the same since V8 11.
 * Whole powers up to 64 are products, so that 2 squared is 4.
 */
export function power(x: number, p: number): number {
  if (Number.isInteger(p) && p >= 0 && p <= 64) {
    let product = 1;
    for (let i = 0; i < p; i++) product *= x;
    return product;
  }
  return x === 1 ? 1 : Math.exp(p * Math.log(x));
}
