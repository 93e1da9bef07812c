/** Requests in the system over the measured window, and how their number grows. */
// Hot path: see docs/hot-path.md
import { DOUBLE_ZERO } from "../hot-path.ts";

const BINS = 256;
const FIRST_WIDTH_US = 1024;

/**
 * The integral of the number in the system, and its means over equal stretches of time in bounded memory:
 * when all bins are full, neighbours are joined and the bins become twice as wide.
 */
export class InSystemSeries {
  /** At this instant. */
  count = 0;
  /** All ends less all arrivals, µs. With `count × t` it is the integral from 0 until t. */
  private netUs = DOUBLE_ZERO;
  private lastUs = DOUBLE_ZERO;
  /** The next instant to note: the window's start, then the end of each bin. */
  private dueUs = DOUBLE_ZERO;
  private closedUs = Number.POSITIVE_INFINITY;
  private closedArea = DOUBLE_ZERO;
  widthUs: number = DOUBLE_ZERO;
  /** The integral from 0 until the window's start, then until the end of each bin, request·µs. */
  private readonly areas = new Float64Array(1 + BINS);
  private noted = 0;

  constructor(startUs: number) {
    this.dueUs = startUs;
    this.widthUs = FIRST_WIDTH_US;
  }

  arrived(nowUs: number): void {
    this.lastUs = nowUs;
    if (nowUs >= this.dueUs) this.pass();
    this.count++;
    this.netUs -= nowUs;
  }

  ended(nowUs: number): void {
    this.lastUs = nowUs;
    if (nowUs >= this.dueUs) this.pass();
    this.count--;
    this.netUs += nowUs;
  }

  /** The window ends. */
  close(nowUs: number): void {
    this.lastUs = nowUs;
    if (nowUs >= this.dueUs) this.pass();
    this.closedArea = this.areaUntil(nowUs);
    this.closedUs = nowUs;
    this.dueUs = Number.POSITIVE_INFINITY;
  }

  /** Integrated over the window, until its end or until the last arrival or end; request·µs. */
  get area(): number {
    if (this.noted === 0) return 0;
    const isClosed = this.closedUs !== Number.POSITIVE_INFINITY;
    return (isClosed ? this.closedArea : this.areaUntil(this.lastUs)) - this.areas[0];
  }

  /** Mean number of each full bin, in order. */
  means(): Float64Array {
    const areas = this.areas;
    return Float64Array.from(
      { length: Math.max(0, this.noted - 1) },
      (_, bin) => (areas[bin + 1] - areas[bin]) / this.widthUs,
    );
  }

  /** The integral from 0 until an instant after the last event. */
  private areaUntil(us: number): number {
    return this.netUs + this.count * us;
  }

  /** Notes all instants that are due; no event lies between them and the last one. */
  private pass(): void {
    while (this.dueUs <= this.lastUs) {
      this.areas[this.noted++] = this.areaUntil(this.dueUs);
      if (this.noted > BINS) this.fold();
      this.dueUs += this.widthUs;
    }
  }

  private fold(): void {
    this.noted = 1 + BINS / 2;
    for (let i = 1; i < this.noted; i++) this.areas[i] = this.areas[2 * i];
    this.widthUs *= 2;
  }
}

/**
 * Requests that stay behind per request that arrives, in each half of the window: the slope of the
 * number in the system over the arrival rate. 0 in a steady state, 1 − capacity / rate in overload.
 */
export interface Growth {
  readonly firstHalf: number;
  readonly secondHalf: number;
}

const FEWEST_BINS = 32;
const FEWEST_ARRIVALS = 200;

/** `means` are of consecutive stretches of `widthUs`; null when there is too little to say. */
export function growthOf(
  means: Float64Array,
  widthUs: number,
  arrivalsPerUs: number,
): Growth | null {
  const half = means.length >> 1;
  const arrivals = arrivalsPerUs * widthUs * means.length;
  if (means.length < FEWEST_BINS || arrivals < FEWEST_ARRIVALS) return null;
  const perArrival = (part: Float64Array): number => slope(part) / (widthUs * arrivalsPerUs);
  return {
    firstHalf: perArrival(means.subarray(0, half)),
    secondHalf: perArrival(means.subarray(half)),
  };
}

/** Least squares slope per step. */
function slope(values: Float64Array): number {
  const middle = (values.length - 1) / 2;
  let above = 0;
  let below = 0;
  for (let i = 0; i < values.length; i++) {
    above += (i - middle) * values[i];
    below += (i - middle) ** 2;
  }
  return above / below;
}
