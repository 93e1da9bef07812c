/**
 * The memory of an engine: blocks of keys and values. A block that is freed keeps its content until it is taken again,
 * the longest free first, so that a sequence whose first tokens are there already need not compute them again.
 * Source: vllm-project/vllm, v1/core/block_pool.py and kv_cache_manager.py: freed from the last block to the first.
 */

/** By block of a sequence, what its content and all before it are: equal numbers, equal content. */
export type ContentOf = (block: number) => number;

const NONE = -1;
/** The place of a list's ends; blocks are numbered from 1. */
const ENDS = 0;

export class KvBlocks {
  free: number;
  readonly #blocks: number;
  /** Whether contents are kept; without it blocks are only counted. */
  readonly #keeps: boolean;
  /**
   * An entry for each block that was taken at least once, so memory grows with use. Free ones are a list through
   * the first two, the longest free first.
   */
  readonly #next = [ENDS];
  readonly #before = [ENDS];
  readonly #users = [0];
  readonly #content = [NONE];
  readonly #known = new Map<number, number>();

  constructor(blocks: number, keeps: boolean) {
    this.free = blocks;
    this.#blocks = blocks;
    this.#keeps = keeps;
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

  isKnown(content: number): boolean {
    return this.#known.has(content);
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
    for (let i = 0; i < count; i++) into.push(this.#keeps ? this.#taken() : NONE);
  }

  /** A block that was never taken has been free for longer than any other. */
  #taken(): number {
    const fresh = this.#users.length;
    if (fresh <= this.#blocks) {
      this.#next.push(NONE);
      this.#before.push(NONE);
      this.#content.push(NONE);
      this.#users.push(1);
      return fresh;
    }
    const block = this.#next[ENDS];
    this.#unlink(block);
    this.#users[block] = 1;
    this.#forget(block);
    return block;
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
    for (const block of blocks.toReversed()) {
      if (--this.#users[block] > 0) continue;
      const last = this.#before[ENDS];
      this.#next[last] = block;
      this.#before[block] = last;
      this.#next[block] = ENDS;
      this.#before[ENDS] = block;
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
