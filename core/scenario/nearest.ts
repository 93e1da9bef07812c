/**
 * Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`, upper and lower case
 * alike. Source: optimal string alignment, Damerau 1964.
 */
export function editDistance(a: string, b: string): number {
  const left = a.toLowerCase();
  const right = b.toLowerCase();
  let older: number[] = [];
  let previous = Array.from({ length: right.length + 1 }, (_, j) => j);
  for (let i = 1; i <= left.length; i++) {
    const row = [i];
    for (let j = 1; j <= right.length; j++) {
      const replace = previous[j - 1]! + (left[i - 1] === right[j - 1] ? 0 : 1);
      let best = Math.min(previous[j]! + 1, row[j - 1]! + 1, replace);
      const swapped =
        i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1];
      if (swapped) best = Math.min(best, older[j - 2]! + 1);
      row.push(best);
    }
    older = previous;
    previous = row;
  }
  return previous[right.length]!;
}

/** The candidate that `word` was most likely meant to be, or undefined when none is close. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const limit = Math.max(2, Math.floor(word.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate);
    // Two words without a letter in common are not near, however short.
    const related = distance < Math.max(word.length, candidate.length);
    if (related && distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best ?? continued(word, candidates);
}

/** The one candidate that goes on where the word ends, as a name without its unit does. */
function continued(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length < 3) return undefined;
  const start = word.toLowerCase();
  const found = [...candidates].filter((candidate) => candidate.toLowerCase().startsWith(start));
  return found.length === 1 ? found[0] : undefined;
}

/** A hint for an unknown word: the nearest known one, else the list of known ones. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const known = [...candidates];
  const best = nearest(word, known);
  if (best !== undefined) return `did you mean "${best}"?`;
  if (known.length === 0) return undefined;
  const shown = known.slice(0, 12).join(", ");
  return `known here: ${shown}${known.length > 12 ? ", ..." : ""}`;
}
