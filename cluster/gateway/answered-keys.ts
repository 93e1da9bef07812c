/**
 * Which idempotency keys have been answered, when, and where their answers lie: 36 bytes a key. The
 * oldest leaves first. A ring in order of answers, and chains from hashes into it; all of it is
 * touched from the start, as memory that grows later cannot be told from a leak.
 */

/** Of a key: 64 bits of a hash that nobody can steer. */
export interface KeyHash {
  readonly high: number;
  readonly low: number;
}

/** Where an answer lies in the journal. */
export interface Place {
  readonly at: number;
  readonly bytes: number;
}

export interface AnsweredKey extends Place {
  /** Milliseconds since the epoch. */
  readonly atMs: number;
}

const NONE = -1;
/** 200 answers a second for ten minutes; a power of two. */
const ROOM_AT_FIRST = 2 ** 17;

export class AnsweredKeys {
  #columns: Columns;
  /** Count of keys ever dropped, and ever added; modulo the room they are places in the ring. */
  #first = 0;
  #next = 0;

  /** `room` at first, a power of two; it doubles when it is needed. */
  constructor(room = ROOM_AT_FIRST) {
    this.#columns = new Columns(room);
  }

  get size(): number {
    return this.#next - this.#first;
  }

  /** When the oldest was answered; Infinity where there is none. */
  get oldestMs(): number {
    return this.size === 0 ? Number.POSITIVE_INFINITY : this.#columns.atMs[this.#slot(this.#first)];
  }

  /** Null for a key that is not known. */
  find(hash: KeyHash): AnsweredKey | null {
    const { high, low, atMs, at, bytes, older } = this.#columns;
    for (let slot = this.#columns.newest(hash.low); slot !== NONE; slot = older[slot]) {
      if (high[slot] !== hash.high || low[slot] !== hash.low) continue;
      return { atMs: atMs[slot], at: at[slot], bytes: bytes[slot] };
    }
    return null;
  }

  /** Later than all before it. */
  add(hash: KeyHash, key: AnsweredKey): void {
    if (this.size === this.#columns.room) this.#grow();
    this.#columns.set(this.#slot(this.#next++), hash, key);
  }

  dropOldest(): void {
    this.#columns.unset(this.#slot(this.#first++));
  }

  #slot(count: number): number {
    return count & (this.#columns.room - 1);
  }

  #grow(): void {
    const old = this.#columns;
    const size = this.size;
    const grown = new Columns(2 * old.room);
    for (let i = 0; i < size; i++) {
      const slot = this.#slot(this.#first + i);
      const hash = { high: old.high[slot], low: old.low[slot] };
      grown.set(i, hash, { atMs: old.atMs[slot], at: old.at[slot], bytes: old.bytes[slot] });
    }
    this.#columns = grown;
    this.#first = 0;
    this.#next = size;
  }
}

class Columns {
  readonly room: number;
  readonly high: Uint32Array;
  readonly low: Uint32Array;
  readonly atMs: Float64Array;
  readonly at: Float64Array;
  readonly bytes: Uint32Array;
  /** The key before it with the same bucket. */
  readonly older: Int32Array;
  readonly #newest: Int32Array;

  constructor(room: number) {
    this.room = room;
    this.high = new Uint32Array(room).fill(0);
    this.low = new Uint32Array(room).fill(0);
    this.atMs = new Float64Array(room).fill(0);
    this.at = new Float64Array(room).fill(0);
    this.bytes = new Uint32Array(room).fill(0);
    this.older = new Int32Array(room).fill(NONE);
    this.#newest = new Int32Array(room).fill(NONE);
  }

  newest(low: number): number {
    return this.#newest[low & (this.room - 1)];
  }

  set(slot: number, { high, low }: KeyHash, { atMs, at, bytes }: AnsweredKey): void {
    this.high[slot] = high;
    this.low[slot] = low;
    this.atMs[slot] = atMs;
    this.at[slot] = at;
    this.bytes[slot] = bytes;
    const bucket = low & (this.room - 1);
    this.older[slot] = this.#newest[bucket];
    this.#newest[bucket] = slot;
  }

  /** The oldest of all is the last of its chain. */
  unset(slot: number): void {
    const bucket = this.low[slot] & (this.room - 1);
    const newest = this.#newest[bucket];
    if (newest === slot) {
      this.#newest[bucket] = NONE;
      return;
    }
    let before = newest;
    while (this.older[before] !== slot) before = this.older[before];
    this.older[before] = NONE;
  }
}
