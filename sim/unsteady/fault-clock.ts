/** When each cause of faults strikes and when it is over, each with a stream of chance of its own. */

import { Sampler } from "../../core/random/sampler.ts";
import type { FaultCause } from "../../core/system.ts";
import { WinnerTree } from "../../core/winner-tree.ts";

export class FaultClock {
  readonly #causes: readonly FaultCause[];
  readonly #due: WinnerTree;
  /** Whether each cause's fault lasts now. */
  readonly #lasts: Uint8Array;
  readonly #up: readonly (Sampler | null)[];
  readonly #down: readonly (Sampler | null)[];

  constructor(causes: readonly FaultCause[], seed: string) {
    this.#causes = causes;
    this.#due = new WinnerTree(causes.length);
    this.#lasts = new Uint8Array(causes.length);
    this.#up = causes.map(({ timing, name }) =>
      timing.kind === "once" ? null : new Sampler(timing.up, seed, `${name}/up`),
    );
    this.#down = causes.map(({ timing, name }) =>
      timing.kind === "once" ? null : new Sampler(timing.down, seed, `${name}/down`),
    );
    causes.forEach(({ timing }, cause) => {
      const atUs = timing.kind === "once" ? timing.atUs : this.#gapUs(cause);
      this.#due.set(cause, atUs);
    });
  }

  nextUs(): number {
    return this.#due.least();
  }

  /** The cause that is due at `nextUs()`, and whether its fault begins or is over. */
  take(nowUs: number): { readonly cause: FaultCause; readonly begins: boolean } {
    const index = this.#due.take();
    const cause = this.#causes[index];
    const begins = this.#lasts[index] === 0;
    this.#lasts[index] = begins ? 1 : 0;
    const { timing } = cause;
    if (timing.kind === "renewal") this.#due.set(index, nowUs + this.#gapUs(index));
    else if (begins) this.#due.set(index, nowUs + timing.forUs);
    return { cause, begins };
  }

  /** Time until the next change, at least 1 µs so that time goes on. */
  #gapUs(index: number): number {
    const { timing } = this.#causes[index];
    if (timing.kind === "once") return Number.POSITIVE_INFINITY;
    const lasts = this.#lasts[index] === 1;
    const meanUs = lasts ? timing.downUs : timing.upUs;
    const sampler = (lasts ? this.#down : this.#up)[index] as Sampler;
    return Math.max(1, Math.round(meanUs * sampler.next()));
  }
}
