/** Student's t distribution for whole degrees of freedom. */

/** Quantiles found so far, by freedom and tail: a sweep asks for few of them, very often. */
const KNOWN = new Map<string, number>();

/** The t with P(T > t) = `tail`, for `freedom` >= 1 degrees of freedom and 0 < tail < 0.5. */
export function studentT(freedom: number, tail: number): number {
  const key = `${freedom}/${tail}`;
  const known = KNOWN.get(key);
  if (known !== undefined) return known;
  let low = 0;
  let high = 2;
  while (studentTail(high, freedom) > tail) high *= 2;
  while (high - low > 1e-11 * high) {
    const middle = (low + high) / 2;
    if (studentTail(middle, freedom) > tail) low = middle;
    else high = middle;
  }
  const found = (low + high) / 2;
  KNOWN.set(key, found);
  return found;
}

/** The 97.5% quantile: what a two-sided 95% interval is made with. */
export function studentT975(freedom: number): number {
  return studentT(freedom, 0.025);
}

/** P(T > t) for t > 0, from the closed forms for whole degrees of freedom (Abramowitz & Stegun 26.7.3–4). */
export function studentTail(t: number, freedom: number): number {
  const angle = Math.atan(t / Math.sqrt(freedom));
  const cosine2 = Math.cos(angle) ** 2;
  const odd = freedom % 2 === 1;
  let term = odd ? Math.cos(angle) : 1;
  let sum = freedom === 1 ? 0 : term;
  for (let k = odd ? 3 : 2; k < freedom; k += 2) {
    term *= (cosine2 * (k - 1)) / k;
    sum += term;
  }
  const inside = odd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
  return (1 - inside) / 2;
}
