/**
 * Processor sharing: the n batches that run get equal shares, each at 1/slow-down(n) of its speed
 * alone. All slow down alike, so what each has got since the group was last idle grows as one
 * clock, and a batch is through when that clock has moved on by its work: one key per batch that
 * never changes, and O(log n) per change of pace.
 * Source: virtual time of processor sharing, Parekh & Gallager 1993, for equal weights.
 */

import { slowdownOf } from "../../core/system.ts";
import { WinnerTree } from "../../core/winner-tree.ts";
import type { Processor } from "./processor.ts";

const NONE = -1;

export class EqualShares implements Processor {
  running = 0;
  readonly #members: readonly number[];
  readonly #placeOf: Int32Array;
  readonly #slowdown: readonly number[] | null;
  readonly #slots: WinnerTree;
  /** By place: value of the clock at which the batch is through. */
  readonly #ends: WinnerTree;
  #clockUs = 0;
  #ratedUs = 0;
  #currentSlowdown = 1;
  /** The member whose slot is set. */
  #first = NONE;

  /** `slowdown` by number of running batches; null: they do not slow each other down. */
  constructor(
    members: readonly number[],
    placeOf: Int32Array,
    slowdown: readonly number[] | null,
    slots: WinnerTree,
  ) {
    this.#members = members;
    this.#placeOf = placeOf;
    this.#slowdown = slowdown;
    this.#slots = slots;
    this.#ends = new WinnerTree(members.length);
  }

  add(replica: number, aloneUs: number, nowUs: number): void {
    this.#advance(nowUs);
    this.running++;
    this.#ends.set(this.#placeOf[replica], this.#clockUs + aloneUs);
  }

  due(replica: number, nowUs: number): boolean {
    this.remove(replica, nowUs);
    return true;
  }

  remove(replica: number, nowUs: number): void {
    this.#advance(nowUs);
    this.running--;
    this.#ends.set(this.#placeOf[replica], Number.POSITIVE_INFINITY);
    if (this.#first === replica) this.#first = NONE;
    if (this.running === 0) this.#clockUs = 0;
  }

  rate(slowdown: number, nowUs: number): void {
    this.#advance(nowUs);
    if (this.running === 0) return;
    const own = this.#slowdown === null ? 1 : slowdownOf(this.#slowdown, this.running);
    this.#currentSlowdown = own * slowdown;
    const leftUs = Math.max(0, this.#ends.least() - this.#clockUs);
    const first = this.#members[this.#ends.winner()];
    if (this.#first !== NONE && this.#first !== first) {
      this.#slots.set(this.#first, Number.POSITIVE_INFINITY);
    }
    this.#first = first;
    this.#slots.set(first, nowUs + Math.round(leftUs * this.#currentSlowdown));
  }

  #advance(nowUs: number): void {
    if (this.running > 0) this.#clockUs += (nowUs - this.#ratedUs) / this.#currentSlowdown;
    this.#ratedUs = nowUs;
  }
}
