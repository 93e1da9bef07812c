/** Time that is that of the next event: a second of it takes as long as what happens in it. */
import type { Clock } from "../../cluster/time/clock.ts";

interface Event {
  readonly atUs: number;
  readonly id: number;
  readonly ring: () => void;
}

export class Calendar {
  /** By time, and then by order of setting; the next one last. */
  readonly #events: Event[] = [];
  #nowUs = 0;
  #ids = 0;
  /** Until then the process stands still: what is due meanwhile comes late. */
  #stalledUs = 0;

  nowUs(): number {
    return this.#nowUs;
  }

  set(atUs: number, ring: () => void): number {
    const id = ++this.#ids;
    let at = this.#events.length;
    while (at > 0 && this.#events[at - 1].atUs <= atUs) at--;
    this.#events.splice(at, 0, { atUs, id, ring });
    return id;
  }

  cancel(event: number): void {
    const at = this.#events.findIndex(({ id }) => id === event);
    if (at >= 0) this.#events.splice(at, 1);
  }

  after(ms: number, ring: () => void): () => void {
    const id = this.set(this.#nowUs + 1000 * ms, ring);
    return () => this.cancel(id);
  }

  /** The process stands still from now on for so long. */
  stall(ms: number): void {
    this.#stalledUs = Math.max(this.#stalledUs, this.#nowUs + 1000 * ms);
  }

  /** Lets the next event happen, if it is due by then; whether one was. */
  step(untilUs = Number.POSITIVE_INFINITY): boolean {
    const next = this.#events.at(-1);
    if (next === undefined || Math.max(next.atUs, this.#stalledUs) > untilUs) return false;
    this.#events.pop();
    // Whole: the real clock's instants are cut to µs before the scheduler sees them.
    this.#nowUs = Math.max(
      this.#nowUs,
      next.atUs,
      next.atUs < this.#stalledUs ? this.#stalledUs : 0,
    );
    next.ring();
    return true;
  }
}

/** A gateway's clock on a calendar, which counts what is still to ring. */
export class CalendarClock implements Clock {
  readonly #calendar: Calendar;
  readonly #open = new Set<number>();

  constructor(calendar: Calendar) {
    this.#calendar = calendar;
  }

  get open(): number {
    return this.#open.size;
  }

  nowUs(): number {
    return this.#calendar.nowUs();
  }

  set(atUs: number, ring: () => void): number {
    const id = this.#calendar.set(atUs, () => {
      this.#open.delete(id);
      ring();
    });
    this.#open.add(id);
    return id;
  }

  cancel(alarm: number): void {
    this.#open.delete(alarm);
    this.#calendar.cancel(alarm);
  }

  after(ms: number, ring: () => void): () => void {
    const id = this.set(this.nowUs() + 1000 * ms, ring);
    return () => this.cancel(id);
  }

  every(ms: number, ring: () => void): () => void {
    let stop = (): void => undefined;
    const again = (): void => {
      stop = this.after(ms, () => {
        again();
        ring();
      });
    };
    again();
    return () => stop();
  }

  soon(ring: () => void): void {
    this.set(this.nowUs(), ring);
  }
}
