/**
 * Requests in the system over the measured window: their integral, and their means over equal
 * stretches of time in bounded memory: when all bins are full, neighbours are joined and the bins
 * become twice as wide.
 */
import { DOUBLE_ZERO } from "../double-zero.ts";

const BINS = 256;
const FIRST_WIDTH_US = 1024;

export class InSystemSeries {
  /** At this instant. */
  count = 0;
  /** All ends less all arrivals, µs. With `count × t` it is the integral from 0 until t. */
  #netUs = DOUBLE_ZERO;
  #lastUs = DOUBLE_ZERO;
  /** When there is something to note: the window's start, then the end of each bin. */
  #dueUs = DOUBLE_ZERO;
  readonly #startUs: number;
  /** The integral until the window's start; NaN before. */
  #beforeUs = Number.NaN;
  #closedUs = Number.POSITIVE_INFINITY;
  #closedArea = DOUBLE_ZERO;
  #widthUs = FIRST_WIDTH_US;
  /** The integral from the window's start until the end of each bin, request·µs. */
  readonly #areas = new Float64Array(BINS);
  #bins = 0;

  constructor(startUs: number) {
    this.#startUs = startUs;
    this.#dueUs = startUs;
  }

  arrived(nowUs: number): void {
    if (nowUs >= this.#dueUs) this.#pass(nowUs);
    this.count++;
    this.#netUs -= nowUs;
    this.#lastUs = nowUs;
  }

  ended(nowUs: number): void {
    if (nowUs >= this.#dueUs) this.#pass(nowUs);
    this.count--;
    this.#netUs += nowUs;
    this.#lastUs = nowUs;
  }

  /** The window ends. */
  close(nowUs: number): void {
    if (nowUs >= this.#dueUs) this.#pass(nowUs);
    this.#closedArea = this.#areaUntil(nowUs);
    this.#closedUs = nowUs;
    this.#dueUs = Number.POSITIVE_INFINITY;
  }

  /** Integrated over the window, until its end or until the last arrival or end; request·µs. */
  get area(): number {
    if (Number.isNaN(this.#beforeUs)) return 0;
    const isClosed = this.#closedUs !== Number.POSITIVE_INFINITY;
    return isClosed ? this.#closedArea : this.#areaUntil(this.#lastUs);
  }

  get widthUs(): number {
    return this.#widthUs;
  }

  /** Mean number of each full bin, in order. */
  means(): Float64Array {
    return Float64Array.from({ length: this.#bins }, (_, bin) => {
      const before = bin === 0 ? 0 : this.#areas[bin - 1];
      return (this.#areas[bin] - before) / this.#widthUs;
    });
  }

  /** Of the window, at an instant between the last event and this one. */
  #areaUntil(us: number): number {
    return this.#netUs + this.count * us - this.#beforeUs;
  }

  /** Notes what was due until now; nothing has happened since before it was. */
  #pass(nowUs: number): void {
    if (Number.isNaN(this.#beforeUs)) {
      this.#beforeUs = this.#netUs + this.count * this.#startUs;
      this.#dueUs = this.#startUs + this.#widthUs;
    }
    while (this.#dueUs <= nowUs) {
      this.#areas[this.#bins++] = this.#areaUntil(this.#dueUs);
      if (this.#bins === BINS) this.#fold();
      this.#dueUs += this.#widthUs;
    }
  }

  #fold(): void {
    this.#bins = BINS / 2;
    for (let bin = 0; bin < this.#bins; bin++) this.#areas[bin] = this.#areas[2 * bin + 1];
    this.#widthUs *= 2;
  }
}
