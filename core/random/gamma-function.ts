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
