/** The best classes of a classifier. */

export interface ScoredClass {
  readonly label: string;
  readonly score: number;
}

/** At most `k` classes of at least `minScore`, best first; a class without a name is its number. */
export function topClasses(
  scores: Float32Array,
  labels: readonly string[] | undefined,
  k: number,
  minScore: number,
): readonly ScoredClass[] {
  return Array.from(scores, (score, i) => ({ label: labels?.[i] ?? String(i), score }))
    .filter(({ score }) => score >= minScore)
    .sort((a, b) => b.score - a.score)
    .slice(0, k);
}
