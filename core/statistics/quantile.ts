/** Nearest-rank quantiles of a sample. */

/**
 * Index of the nearest-rank quantile among `count` ascending values; share in (0, 1]. A share such
 * as 0.07 is a hair more than 7/100 in binary, which must not move its rank: hence the 1e-9.
 */
export function rankOf(share: number, count: number): number {
  return Math.min(count - 1, Math.max(0, Math.ceil(share * count - 1e-9) - 1));
}

/**
 * The nearest-rank quantile, found by quickselect: `values` is reordered. Expected O(n).
 * Source: Hoare, "Algorithm 65: Find", CACM 4(7), 1961.
 */
export function selectQuantile(values: Float64Array, share: number): number {
  const rank = rankOf(share, values.length);
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const pivot = medianOfThree(values[low], values[(low + high) >> 1], values[high]);
    let i = low;
    let j = high;
    while (i <= j) {
      while (values[i] < pivot) i++;
      while (values[j] > pivot) j--;
      if (i > j) break;
      const swap = values[i];
      values[i++] = values[j];
      values[j--] = swap;
    }
    if (rank <= j) high = j;
    else if (rank >= i) low = i;
    else break;
  }
  return values[rank];
}

function medianOfThree(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
