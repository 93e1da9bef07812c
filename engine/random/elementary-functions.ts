/** Functions that give the same bits on every machine and in every version of V8. */
// Hot path: see docs/hot-path.md
const BITS = 7;
const SLOTS = 128;
/** The table of powers of two covers exponents up to this. */
const WIDEST = 700;
const FIRST_POWER = -1022;

/** 2^(i / 128). */
const FRACTIONS = fractionsOfTwo();
const POWERS = powersOfTwo();
/** In an array, as V8 makes numbers in the code anew in each round of a loop. */
const CONSTANTS = Float64Array.of(
  SLOTS / Math.LN2,
  // Adding and subtracting it rounds to a whole number.
  1.5 * 2 ** 52,
  // ln 2 / 128 in two parts; the first has so few bits that its multiples are exact.
  0.6931471803691238 / SLOTS,
  1.9082149292705877e-10 / SLOTS,
  ...[1 / 2, 1 / 6, 1 / 24, 1 / 120],
);

/** Doubling and halving are exact. */
function powersOfTwo(): Float64Array {
  const powers = new Float64Array(1 - 2 * FIRST_POWER);
  powers[-FIRST_POWER] = 1;
  for (let n = 1; n <= -FIRST_POWER; n++) {
    powers[n - FIRST_POWER] = powers[n - 1 - FIRST_POWER] * 2;
    powers[-n - FIRST_POWER] = powers[1 - n - FIRST_POWER] / 2;
  }
  return powers;
}

/** From square roots, which every machine rounds alike. */
function fractionsOfTwo(): Float64Array {
  const roots = [2];
  for (let i = 0; i < BITS; i++) roots.unshift(Math.sqrt(roots[0]));
  return Float64Array.from({ length: SLOTS }, (_, slot) => {
    let product = 1;
    for (let bit = 0; bit < BITS; bit++) if ((slot >> bit) & 1) product *= roots[bit];
    return product;
  });
}

/**
 * Replaces each number z by e^(slope z + offset), to a relative 1e-15 where |the exponent| < 700; several
 * times as fast as `Math.exp`. Source: table and short polynomial after P. T. P. Tang, "Table-driven
 * implementation of the exponential function in IEEE floating-point arithmetic", ACM TOMS 15(2), 1989.
 */
export function exponentiate(block: Float64Array, slope: number, offset: number): void {
  const fractions = FRACTIONS;
  const powers = POWERS;
  const stepsPerUnit = CONSTANTS[0];
  const rounder = CONSTANTS[1];
  const stepHigh = CONSTANTS[2];
  const stepLow = CONSTANTS[3];
  const c2 = CONSTANTS[4];
  const c3 = CONSTANTS[5];
  const c4 = CONSTANTS[6];
  const c5 = CONSTANTS[7];
  for (let i = 0; i < block.length; i++) {
    const x = slope * block[i] + offset;
    if (!(Math.abs(x) < WIDEST)) {
      block[i] = Math.exp(x);
      continue;
    }
    const steps = x * stepsPerUnit + rounder - rounder;
    const n = steps | 0;
    const r = x - steps * stepHigh - steps * stepLow;
    const rest = r * (1 + r * (c2 + r * (c3 + r * (c4 + r * c5))));
    const fraction = fractions[n & (SLOTS - 1)];
    block[i] = (fraction + fraction * rest) * powers[(n >> BITS) - FIRST_POWER];
  }
}

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

/** Lanczos' coefficients for g = 7, n = 9. */
const COEFFICIENTS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313,
  -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6,
  1.5056327351493116e-7,
];

/** ln Γ(x) for x > 0, to about 15 digits. Source: Lanczos, SIAM J. Numerical Analysis B 1, 1964. */
export function logGamma(x: number): number {
  const sum = COEFFICIENTS.reduce((total, c, i) => (i === 0 ? c : total + c / (x - 1 + i)));
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}
