/**
 * Round robin on one device slot: the batches of its busy replicas take turns of at most a
 * quantum, the first to wait first. A turn ends early when its batch is through, and goes on
 * beyond the quantum, at multiples of it, while nobody waits. A turn of another replica than the
 * one before first costs the switch.
 */
import type { Sharing } from "../../core/system.ts";
import type { WinnerTree } from "../../core/winner-tree.ts";
import { IntRing } from "../int-ring.ts";
import type { Processor } from "./processor.ts";

const NONE = -1;

export class TimeSlices implements Processor {
  readonly #quantumUs: number;
  readonly #switchUs: number;
  readonly #slots: WinnerTree;
  readonly #waiting = new IntRing();
  /** By replica: work left, µs alone. */
  readonly #leftUs: Float64Array;
  #current = NONE;
  #last = NONE;
  /** Start of the current turn, the switch behind it. */
  #turnUs = 0;
  /** Until when work left has been brought up to date. */
  #ratedUs = 0;
  #slowdown = 1;
  #throughUs = 0;

  /** `leftUs` has a place for every replica and is written for those of this slot only. */
  constructor(
    { quantumUs, switchUs }: Extract<Sharing, { kind: "time-slice" }>,
    leftUs: Float64Array,
    slots: WinnerTree,
  ) {
    this.#quantumUs = quantumUs;
    this.#switchUs = switchUs;
    this.#leftUs = leftUs;
    this.#slots = slots;
  }

  get running(): number {
    return this.#current === NONE ? 0 : 1;
  }

  add(replica: number, aloneUs: number, nowUs: number): void {
    this.#leftUs[replica] = aloneUs;
    if (this.#current === NONE) this.#turnTo(replica, nowUs);
    else this.#waiting.push(replica);
  }

  due(replica: number, nowUs: number): boolean {
    this.#spend(nowUs);
    const through = nowUs >= this.#throughUs;
    if (!through) this.#waiting.push(replica);
    this.#next(nowUs);
    return through;
  }

  remove(replica: number, nowUs: number): void {
    if (this.#current === replica) this.#next(nowUs);
    else this.#waiting.remove(replica);
  }

  rate(slowdown: number, nowUs: number): void {
    if (this.#current === NONE) return;
    this.#spend(nowUs);
    this.#slowdown = slowdown;
    const leftUs = this.#leftUs[this.#current];
    this.#throughUs = this.#ratedUs + Math.round(leftUs * slowdown);
    this.#slots.set(this.#current, Math.min(this.#throughUs, this.#turnEndUs(nowUs)));
  }

  /** The turn is over. */
  #next(nowUs: number): void {
    this.#current = NONE;
    if (this.#waiting.length > 0) this.#turnTo(this.#waiting.shift(), nowUs);
  }

  #turnTo(replica: number, nowUs: number): void {
    const other = this.#last !== NONE && this.#last !== replica;
    this.#turnUs = nowUs + (other ? this.#switchUs : 0);
    this.#ratedUs = this.#turnUs;
    this.#current = replica;
    this.#last = replica;
  }

  /** The next multiple of the quantum since the turn's start; Infinity while nobody waits. */
  #turnEndUs(nowUs: number): number {
    if (this.#waiting.length === 0) return Number.POSITIVE_INFINITY;
    const quanta = Math.max(1, Math.ceil((nowUs - this.#turnUs) / this.#quantumUs));
    return this.#turnUs + quanta * this.#quantumUs;
  }

  #spend(nowUs: number): void {
    if (nowUs <= this.#ratedUs) return;
    const spentUs = (nowUs - this.#ratedUs) / this.#slowdown;
    this.#leftUs[this.#current] = Math.max(0, this.#leftUs[this.#current] - spentUs);
    this.#ratedUs = nowUs;
  }
}
