/**
 * The memory of an engine: blocks of keys and values. A block that is freed keeps its content until it is taken again,
 * the longest free first, so that a sequence whose first tokens are there already need not compute them again.
 * Source: vllm-project/vllm, v1/core/block_pool.py and kv_cache_manager.py: freed from the last block to the first.
 */

/** By block of a sequence, what its content and all before it are: equal numbers, equal content. */
export type ContentOf = (block: number) => number;

const NONE = -1;

export class KvBlocks {
  free: number;
  /** Whether contents are kept; without it blocks are only counted. */
  readonly #keeps: boolean;
  /** Free blocks as a list through both arrays, the longest free first; the last place is its ends. */
  readonly #next: Int32Array;
  readonly #before: Int32Array;
  readonly #users: Int32Array;
  readonly #content: Float64Array;
  readonly #known = new Map<number, number>();

  constructor(blocks: number, keeps: boolean) {
    this.free = blocks;
    this.#keeps = keeps;
    const size = keeps ? blocks : 0;
    this.#next = Int32Array.from({ length: size + 1 }, (_, i) => (i + 1) % (size + 1));
    this.#before = Int32Array.from({ length: size + 1 }, (_, i) => (i + size) % (size + 1));
    this.#users = new Int32Array(size);
    this.#content = new Float64Array(size).fill(NONE);
  }

  /** The first blocks of a sequence whose contents are there, at most `most`. */
  found(contentOf: ContentOf, most: number): readonly number[] {
    if (!this.#keeps) return [];
    const found: number[] = [];
    while (found.length < most) {
      const block = this.#known.get(contentOf(found.length));
      if (block === undefined) break;
      found.push(block);
    }
    return found;
  }

  /** The free ones of these blocks, whose use takes them from the free. */
  freeAmong(blocks: readonly number[]): number {
    return blocks.reduce((sum, block) => sum + (this.#users[block] === 0 ? 1 : 0), 0);
  }

  use(blocks: readonly number[]): void {
    for (const block of blocks) {
      if (this.#users[block]++ === 0) {
        this.#unlink(block);
        this.free--;
      }
    }
  }

  /** So many more blocks for a sequence; the caller has seen that they are free. */
  take(count: number, into: number[]): void {
    this.free -= count;
    const head = this.#next.length - 1;
    for (let i = 0; i < count; i++) {
      if (!this.#keeps) {
        into.push(NONE);
        continue;
      }
      const block = this.#next[head];
      this.#unlink(block);
      this.#users[block] = 1;
      this.#forget(block);
      into.push(block);
    }
  }

  /** A block is full: others may use it from now on. */
  filled(block: number, content: number): void {
    if (!this.#keeps || this.#known.has(content)) return;
    this.#content[block] = content;
    this.#known.set(content, block);
  }

  forgetAll(): void {
    this.#content.fill(NONE);
    this.#known.clear();
  }

  release(blocks: readonly number[]): void {
    if (!this.#keeps) {
      this.free += blocks.length;
      return;
    }
    const head = this.#next.length - 1;
    for (const block of blocks.toReversed()) {
      if (--this.#users[block] > 0) continue;
      const last = this.#before[head];
      this.#next[last] = block;
      this.#before[block] = last;
      this.#next[block] = head;
      this.#before[head] = block;
      this.free++;
    }
  }

  #unlink(block: number): void {
    this.#next[this.#before[block]] = this.#next[block];
    this.#before[this.#next[block]] = this.#before[block];
  }

  #forget(block: number): void {
    const content = this.#content[block];
    if (content !== NONE && this.#known.get(content) === block) this.#known.delete(content);
    this.#content[block] = NONE;
  }
}
