/** A time that passes without regard to other batches: half a round trip, bytes on a link alone. */
import type { WinnerTree } from "../../core/winner-tree.ts";
import type { Station } from "./station.ts";

export class Delay implements Station {
  readonly #slots: WinnerTree;
  readonly #untilUs: (replica: number, nowUs: number) => number;

  /** `untilUs` gives the instant at which a batch that comes in goes on. */
  constructor(slots: WinnerTree, untilUs: (replica: number, nowUs: number) => number) {
    this.#slots = slots;
    this.#untilUs = untilUs;
  }

  enter(replica: number, nowUs: number): boolean {
    this.#slots.set(replica, this.#untilUs(replica, nowUs));
    return false;
  }

  due(): boolean {
    return true;
  }

  abandon(): void {}
}
