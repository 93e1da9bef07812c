/** Puts a letter beside each point so that letters cover neither each other nor other points. */

export interface Place {
  readonly x: number;
  readonly y: number;
}

const RADII = [13, 20, 28, 37] as const;
const DIRECTIONS = 12;
/** A letter's half width and half height in pixels, with a little air. */
const HALF = { x: 6, y: 7 } as const;

function overlap(a: Place, b: Place, x: number, y: number): number {
  return Math.max(0, x - Math.abs(a.x - b.x)) * Math.max(0, y - Math.abs(a.y - b.y));
}

/**
 * Greedy in the order given: the nearest of 48 places around a point with the least overlap, inside
 * a square of `size` pixels. Pixels, y downwards; the answer is in the order of `points`.
 */
export function placeLetters(points: readonly Place[], size: number): readonly Place[] {
  const placed: Place[] = [];
  for (const point of points) {
    let best: Place = point;
    let least = Number.POSITIVE_INFINITY;
    for (const [ring, radius] of RADII.entries()) {
      for (let turn = 0; turn < DIRECTIONS; turn++) {
        const angle = (2 * Math.PI * (turn + 0.5)) / DIRECTIONS;
        const at = { x: point.x + radius * Math.cos(angle), y: point.y - radius * Math.sin(angle) };
        if (at.x < HALF.x || at.y < HALF.y || at.x > size - HALF.x || at.y > size - HALF.y)
          continue;
        const onLetters = placed.reduce((sum, other) => sum + overlap(at, other, 12, 14), 0);
        const onPoints = points.reduce((sum, other) => sum + overlap(at, other, 10, 11), 0);
        const cost = onLetters * 4 + onPoints + ring * 6;
        if (cost < least) [best, least] = [at, cost];
      }
    }
    placed.push(best);
  }
  return placed;
}
