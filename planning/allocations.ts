/** Ways to share a number of replicas out among tasks. */

export interface Bounds {
  /** Fewest and most replicas of each task. */
  readonly low: readonly number[];
  readonly high: readonly number[];
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/**
 * All ways to give `total` replicas to tasks within their bounds, the likeliest first, each once;
 * none where the bounds leave none. What is beyond `low` goes by the square root of a task's need
 * first (the rule of square-root staffing: spare servers against chance grow with the root of the
 * load), then the ways that are one moved replica away, then two, and so on.
 */
export function* allocations(total: number, bounds: Bounds): Generator<readonly number[]> {
  const first = likeliest(total, bounds);
  if (first === null) return;
  const seen = new Set([first.join()]);
  for (let ring = [first]; ring.length > 0; ) {
    yield* ring;
    const next: number[][] = [];
    for (const way of ring) {
      for (const other of neighbours(way, bounds)) {
        const key = other.join();
        if (seen.has(key)) continue;
        seen.add(key);
        next.push(other);
      }
    }
    ring = next;
  }
}

function likeliest(total: number, { low, high }: Bounds): number[] | null {
  const given = [...low];
  if (sum(low) > total || sum(high) < total) return null;
  for (let left = total - sum(low); left > 0; left--) {
    let best = -1;
    let most = 0;
    for (const [task, replicas] of given.entries()) {
      if (replicas === high[task]) continue;
      const due = Math.sqrt(low[task]) / (1 + replicas - low[task]);
      if (best < 0 || due > most) {
        best = task;
        most = due;
      }
    }
    given[best]++;
  }
  return given;
}

/** With one replica moved from one task to another. */
function* neighbours(way: readonly number[], { low, high }: Bounds): Generator<number[]> {
  for (const [from, replicas] of way.entries()) {
    if (replicas === low[from]) continue;
    for (const to of way.keys()) {
      if (to === from || way[to] === high[to]) continue;
      const moved = [...way];
      moved[from]--;
      moved[to]++;
      yield moved;
    }
  }
}
