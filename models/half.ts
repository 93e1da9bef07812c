/** Numbers of 16 bits. Source: IEEE 754-2019, binary16. */

export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * 2 ** -14 * (fraction / 1024);
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
}

/** From here on the nearest is infinite. */
const INFINITE = 65_520;
const SMALLEST_EXPONENT = -14;

/** The nearest; of two that are as near, the even one. */
export function numberToHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= INFINITE) return sign | 0x7c00;
  const exponent = Math.max(SMALLEST_EXPONENT, Math.floor(Math.log2(size)));
  const units = roundToEven(size / 2 ** (exponent - 10));
  return sign | (units + (exponent - SMALLEST_EXPONENT) * 1024);
}

function roundToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}
