/**
 * A device slot that batches with start windows take in turn: a batch waits here until the slot is free
 * and its window is open, and misses its start when that comes too late. Batches without a window
 * pass, as in the simulator (`engine/stations/device-stations.ts`).
 */
import type { StartWindow } from "../../engine/dispatch/driver.ts";
import type { Clock } from "../time/clock.ts";

type SlotClock = Pick<Clock, "nowUs" | "set" | "cancel">;

interface Waiting {
  readonly fromUs: number;
  readonly untilUs: number;
  readonly begin: (inTime: boolean) => void;
}

/** One batch's wait for its slot. */
export interface SlotTurn {
  /** Resolves with true once the batch holds the slot, with false when it may not start any more. */
  readonly begun: Promise<boolean>;
  /** Takes a waiting batch out of the line. */
  giveUp(): void;
  /** The batch has ended: the slot is free. Does nothing for a batch that never held it. */
  release(): void;
}

export class DeviceSlot {
  readonly #clock: SlotClock;
  /** In order of receipt. */
  readonly #line: Waiting[] = [];
  #holder: Waiting | null = null;

  constructor(clock: SlotClock) {
    this.#clock = clock;
  }

  enter({ earliestUs, latestUs }: StartWindow): SlotTurn {
    const nowUs = this.#clock.nowUs();
    let begin: (inTime: boolean) => void = () => undefined;
    const begun = new Promise<boolean>((resolve) => {
      begin = resolve;
    });
    const own: Waiting = { fromUs: nowUs + earliestUs, untilUs: nowUs + latestUs, begin };
    this.#line.push(own);
    this.#serve();
    if (this.#holder !== own) {
      const missed = this.#clock.set(own.untilUs + 1, () => this.#miss(own));
      const opens = this.#clock.set(own.fromUs, () => this.#serve());
      void begun.then(() => {
        this.#clock.cancel(missed);
        this.#clock.cancel(opens);
      });
    }
    return {
      begun,
      giveUp: () => this.#miss(own),
      release: () => {
        if (this.#holder !== own) return;
        this.#holder = null;
        this.#serve();
      },
    };
  }

  #miss(one: Waiting): void {
    const at = this.#line.indexOf(one);
    if (at < 0) return;
    this.#line.splice(at, 1);
    one.begin(false);
    this.#serve();
  }

  /** Gives a free slot to the first batch in time; a window that is not open yet holds back the rest. */
  #serve(): void {
    if (this.#holder !== null) return;
    const nowUs = this.#clock.nowUs();
    const first = this.#line.find(({ untilUs }) => nowUs <= untilUs);
    if (first === undefined || nowUs < first.fromUs) return;
    this.#line.splice(this.#line.indexOf(first), 1);
    this.#holder = first;
    first.begin(true);
  }
}
