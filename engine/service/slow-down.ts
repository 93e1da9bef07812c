/**
 * The one model of slow-down, for all that predicts by measured profiles:
 *
 *   time of a batch of b = time alone(b) × in-place factor × slow-down by busy neighbours
 *
 * The in-place factor is the work of a job in the serving pipeline over its time alone: caches that other models
 * evict, and processors that wake from a pause. Each round of a calibration measures both on the same inputs, so the
 * host's pace cancels. The slow-down by neighbours is the curve of the overhead profile (`contention`).
 */

/** A batch in service. */
export interface Served {
  readonly replica: number;
  readonly startUs: number;
  readonly endUs: number;
}

/**
 * The work of each batch, µs: its time of service without the slow-down by its neighbours, which is the simulator's
 * own rule backwards. `contention` is the curve of the one node on which all replicas are.
 */
export function workOf(served: readonly Served[], contention: readonly number[]): number[] {
  interface Change {
    readonly atUs: number;
    readonly batch: number;
    readonly starts: boolean;
  }
  const changes: Change[] = served.flatMap(({ startUs, endUs }, batch) => [
    { atUs: startUs, batch, starts: true },
    { atUs: endUs, batch, starts: false },
  ]);
  changes.sort((a, b) => a.atUs - b.atUs || Number(a.starts) - Number(b.starts));
  const work = new Array<number>(served.length).fill(0);
  const running = new Set<number>();
  let lastUs = 0;
  for (const { atUs, batch, starts } of changes) {
    const done = (atUs - lastUs) / slowdownOf(contention, running.size);
    for (const one of running) work[one] += done;
    lastUs = atUs;
    if (starts) running.add(batch);
    else running.delete(batch);
  }
  return work;
}

/** The curve as it is where two busy batches slow each other by so much: all of it in proportion. */
export function curveThrough(curve: readonly number[], slowdown: number): number[] {
  const [, second = 1, ...more] = curve;
  return [1, ...[second, ...more].map((level) => (level * slowdown) / second)];
}

/** Slow-down with `busy` batches; past the curve's end the total speed stays as it is there. */
export function slowdownOf(curve: readonly number[], busy: number): number {
  if (busy <= 0) return 1;
  if (busy <= curve.length) return curve[busy - 1];
  return (curve[curve.length - 1] * busy) / curve.length;
}
