/** The stations of batches, and capacity that several use at once: equal shares, or turns of a quantum. */
import { WinnerTree } from "../basics/priority-queues.ts";
import { slowdownOf } from "../service/slow-down.ts";
import type { Sharing, System } from "../system/system.ts";

/**
 * A place where batches spend time on their way. A batch is named by the replica that it is for, and
 * it is at one station at a time, so the replica's one slot in the calendar says when it goes on.
 */
export interface Station {
  /** A batch comes in. True: it goes on at once and no slot was set. */
  enter(replica: number, nowUs: number): boolean;
  /** The replica's slot was due. True: its batch goes on; false: the slot is set anew. */
  due(replica: number, nowUs: number): boolean;
  /** The batch that is here goes no further. Its own slot is the caller's to clear. */
  abandon(replica: number, nowUs: number): void;
}

/** The stations that every batch passes, in order, and the place of each batch. */
export class Route {
  readonly #stations: readonly Station[];
  /** Station of each replica's batch. */
  readonly #at: Uint8Array;

  constructor(stations: readonly Station[], replicas: number) {
    this.#stations = stations;
    this.#at = new Uint8Array(replicas);
  }

  /** A batch sets out. True when it is through all stations already. */
  start(replica: number, nowUs: number): boolean {
    this.#at[replica] = 0;
    return this.#goOn(replica, nowUs);
  }

  /** The replica's slot was due. True when its batch is through the last station. */
  due(replica: number, nowUs: number): boolean {
    if (!this.#stations[this.#at[replica]].due(replica, nowUs)) return false;
    this.#at[replica]++;
    return this.#goOn(replica, nowUs);
  }

  /** The batch goes no further. False when it was through already. */
  abandon(replica: number, nowUs: number): boolean {
    const at = this.#at[replica];
    if (at === this.#stations.length) return false;
    this.#stations[at].abandon(replica, nowUs);
    return true;
  }

  #goOn(replica: number, nowUs: number): boolean {
    const stations = this.#stations;
    while (this.#at[replica] < stations.length) {
      if (!stations[this.#at[replica]].enter(replica, nowUs)) return false;
      this.#at[replica]++;
    }
    return true;
  }
}

/**
 * A time that passes without regard to other batches: half a round trip, bytes on a link alone. `untilUs`
 * gives the instant at which a batch that comes in goes on.
 */
export function delay(
  slots: WinnerTree,
  untilUs: (replica: number, nowUs: number) => number,
): Station {
  return {
    enter: (replica, nowUs) => {
      slots.set(replica, untilUs(replica, nowUs));
      return false;
    },
    due: () => true,
    abandon: () => undefined,
  };
}

/**
 * One direction of the nodes' links: the transfers under way on one link share its bandwidth
 * equally, so that n of them take n times as long each. `aloneUs` is the time that the transfer of a
 * replica's batch takes on the link alone.
 */
export function fairLinks(
  system: System,
  aloneUs: (replica: number) => number,
  slots: WinnerTree,
): Station {
  const nodes = system.replicas.map((replica) => replica.node);
  const { members, placeOf, groupOf } = groupReplicas(nodes, system.nodes.length);
  const links = members.map((each) => new EqualShares(each, placeOf, [1], slots));
  const abandon = (replica: number, nowUs: number): void => {
    const link = links[groupOf[replica]];
    link.remove(replica, nowUs);
    link.rate(1, nowUs);
  };
  return {
    enter: (replica, nowUs) => {
      const us = aloneUs(replica);
      if (us === 0) return true;
      const link = links[groupOf[replica]];
      link.add(replica, us, nowUs);
      link.rate(1, nowUs);
      return false;
    },
    due: (replica, nowUs) => {
      abandon(replica, nowUs);
      return true;
    },
    abandon,
  };
}

const NONE = -1;

/** A resource that runs batches: one shared device slot, or all exclusive slots of a node together. */
export interface Processor {
  /** Batches that run at this instant. */
  readonly running: number;
  /** A batch of `aloneUs` comes in. Slots stay as they are until `rate`. */
  add(replica: number, aloneUs: number, nowUs: number): void;
  /** The replica's slot was due. True: its batch has run. Slots stay as they are until `rate`. */
  due(replica: number, nowUs: number): boolean;
  /** A batch goes before it has run. Slots stay as they are until `rate`. */
  remove(replica: number, nowUs: number): void;
  /** Sets the slots that depend on pace; `slowdown` is what the node's other work costs. */
  rate(slowdown: number, nowUs: number): void;
  /** The replica's process has died: nothing is left of what it kept. */
  crashed?(replica: number): void;
}

/**
 * Processor sharing: the n batches that run get equal shares, each at 1/slow-down(n) of its speed
 * alone. All slow down alike, so what each has got since the group was last idle grows as one
 * clock, and a batch is through when that clock has moved on by its work: one key per batch that
 * never changes, and O(log n) per change of pace.
 * Source: virtual time of processor sharing, Parekh & Gallager 1993, for equal weights.
 */
export class EqualShares implements Processor {
  readonly #members: readonly number[];
  readonly #placeOf: Int32Array;
  readonly #slowdown: readonly number[] | null;
  readonly #slots: WinnerTree;
  running = 0;
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

/** Exclusive slots that nothing slows down: each batch takes its time. */
export class Unslowed implements Processor {
  readonly running = 0;
  readonly #slots: WinnerTree;

  constructor(slots: WinnerTree) {
    this.#slots = slots;
  }

  add(replica: number, aloneUs: number, nowUs: number): void {
    this.#slots.set(replica, nowUs + Math.round(aloneUs));
  }

  due(): boolean {
    return true;
  }

  remove(): void {}

  rate(): void {}
}

/**
 * Round robin on one device slot: the batches of its busy replicas take turns of at most a
 * quantum, the first to wait first. A turn ends early when its batch is through, and goes on
 * beyond the quantum, at multiples of it, while nobody waits. A turn of another replica than the
 * one before first costs the switch.
 */
export class TimeSlices implements Processor {
  readonly #terms: Extract<Sharing, { kind: "time-slice" }>;
  readonly #leftUs: Float64Array;
  readonly #slots: WinnerTree;
  #waiting: number[] = [];
  #current = NONE;
  #last = NONE;
  /** Start of the current turn, the switch behind it. */
  #turnUs = 0;
  /** Until when work left has been brought up to date. */
  #ratedUs = 0;
  #slowdown = 1;
  #throughUs = 0;

  /** `leftUs` is by replica: work left, µs alone; it is written for those of this slot only. */
  constructor(
    terms: Extract<Sharing, { kind: "time-slice" }>,
    leftUs: Float64Array,
    slots: WinnerTree,
  ) {
    this.#terms = terms;
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
    else this.#waiting = this.#waiting.filter((other) => other !== replica);
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
    const next = this.#waiting.shift() ?? NONE;
    this.#current = NONE;
    if (next !== NONE) this.#turnTo(next, nowUs);
  }

  #turnTo(replica: number, nowUs: number): void {
    const other = this.#last !== NONE && this.#last !== replica;
    this.#turnUs = nowUs + (other ? this.#terms.switchUs : 0);
    this.#ratedUs = this.#turnUs;
    this.#current = replica;
    this.#last = replica;
  }

  /** The next multiple of the quantum since the turn's start; Infinity while nobody waits. */
  #turnEndUs(nowUs: number): number {
    if (this.#waiting.length === 0) return Number.POSITIVE_INFINITY;
    const { quantumUs } = this.#terms;
    const quanta = Math.max(1, Math.ceil((nowUs - this.#turnUs) / quantumUs));
    return this.#turnUs + quanta * quantumUs;
  }

  #spend(nowUs: number): void {
    if (nowUs <= this.#ratedUs) return;
    const spentUs = (nowUs - this.#ratedUs) / this.#slowdown;
    this.#leftUs[this.#current] = Math.max(0, this.#leftUs[this.#current] - spentUs);
    this.#ratedUs = nowUs;
  }
}

/**
 * Replicas by what they share, such as a device slot or a node's link: those of each group, ascending, the
 * group of each replica, and its place among the group's members. `keys` gives the group of each replica,
 * 0 .. groups − 1.
 */
export function groupReplicas(keys: readonly number[], groups: number) {
  const members: number[][] = Array.from({ length: groups }, () => []);
  const placeOf = Int32Array.from(keys, (group, replica) => members[group].push(replica) - 1);
  return { members, groupOf: Int32Array.from(keys), placeOf };
}
