/** Plane geometry for text regions: convex hull and the smallest rectangle around points. */

export type Point = readonly [x: number, y: number];

/** Turned by `angle` radians, clockwise on screen, about its centre; width runs along the angle. */
export interface TurnedRectangle {
  readonly centre: Point;
  readonly width: number;
  readonly height: number;
  readonly angle: number;
}

/** Corners of the convex hull in order around it. Source: Andrew's monotone chain (1979). */
function convexHull(points: readonly Point[]): readonly Point[] {
  const sorted = points.toSorted((a, b) => a[0] - b[0] || a[1] - b[1]);
  const half = (ordered: readonly Point[]) => {
    const chain: Point[] = [];
    for (const point of ordered) {
      while (chain.length > 1 && turn(chain.at(-2)!, chain.at(-1)!, point) <= 0) chain.pop();
      chain.push(point);
    }
    chain.pop();
    return chain;
  };
  return sorted.length < 2 ? sorted : [...half(sorted), ...half(sorted.toReversed())];
}

function turn(a: Point, b: Point, c: Point): number {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}

/** The rectangle of least area around at least one point, turned so that its angle is within ±45°. */
export function smallestRectangle(points: readonly Point[]): TurnedRectangle {
  const hull = convexHull(points);
  let best: TurnedRectangle | undefined;
  // One side of the least rectangle lies on a side of the hull (Freeman and Shapira 1975).
  for (let i = 0; i < hull.length; i++) {
    const from = hull[i]!;
    const to = hull[(i + 1) % hull.length]!;
    const candidate = boundsAt(hull, upright(Math.atan2(to[1] - from[1], to[0] - from[0])));
    if (best === undefined || candidate.width * candidate.height < best.width * best.height) {
      best = candidate;
    }
  }
  return best!;
}

/** The same direction of sides, as an angle in [−45°, 45°). */
function upright(angle: number): number {
  const quarter = Math.PI / 2;
  return angle - quarter * Math.floor((angle + quarter / 2) / quarter);
}

/** The rectangle around the points whose width runs along `angle`. */
export function boundsAt(points: readonly Point[], angle: number): TurnedRectangle {
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  const along = points.map(([x, y]) => x * cos + y * sin);
  const across = points.map(([x, y]) => y * cos - x * sin);
  const [u0, u1] = [Math.min(...along), Math.max(...along)];
  const [v0, v1] = [Math.min(...across), Math.max(...across)];
  const [u, v] = [(u0 + u1) / 2, (v0 + v1) / 2];
  return {
    centre: [u * cos - v * sin, u * sin + v * cos],
    width: u1 - u0,
    height: v1 - v0,
    angle,
  };
}

/** The corners: left upper, right upper, right lower, left lower, as seen along the angle. */
export function corners({ centre, width, height, angle }: TurnedRectangle): readonly Point[] {
  const cos = Math.cos(angle) / 2;
  const sin = Math.sin(angle) / 2;
  const at = (across: number, down: number): Point => [
    centre[0] + across * width * cos - down * height * sin,
    centre[1] + across * width * sin + down * height * cos,
  ];
  return [at(-1, -1), at(1, -1), at(1, 1), at(-1, 1)];
}

/** The upright box around a rectangle: left, top, right, bottom. */
export function boundingBox(rectangle: TurnedRectangle): readonly [number, number, number, number] {
  const points = corners(rectangle);
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

/** The rectangle, moved. */
export function shifted(rectangle: TurnedRectangle, dx: number, dy: number): TurnedRectangle {
  const [x, y] = rectangle.centre;
  return { ...rectangle, centre: [x + dx, y + dy] };
}

/** Moves every side outwards by `distance`. */
export function grow(rectangle: TurnedRectangle, distance: number): TurnedRectangle {
  return {
    ...rectangle,
    width: rectangle.width + 2 * distance,
    height: rectangle.height + 2 * distance,
  };
}
