/**
 * When the replicas finish. Few are kept in one sorted list, which a new finish enters from the
 * late end, as it is later than most; many in a calendar. Both give equal instants back in the order of their entry.
 */
import { CalendarQueue } from "./calendar-queue.ts";

export interface FinishCalendar {
  /** The next finish, µs; Infinity when nothing runs. */
  nextUs(): number;
  /** Takes the replica that finishes next; only when one runs. */
  take(): number;
  /** A replica that is not in the calendar finishes at `atUs`. */
  add(replica: number, atUs: number): void;
}

/** Beyond so many replicas a new finish passes too many others on its way in. */
const MOST_SORTED = 24;

export function finishCalendar(replicas: number): FinishCalendar {
  return replicas <= MOST_SORTED ? new SortedFinishes() : new CalendarQueue(replicas);
}

/** A power of two above every replica's number. */
const REPLICAS = 32;
/** 2^53 / 32: times from here on leave no room for a replica beside them in a double; nine years. */
const LATE_US = 281474976710656;

/** A finish takes the place behind all others; when the places are used up, all move to the front. */
const PLACES = 1024;

/**
 * In order of time, between two that stop a search: before them is nothing earlier, behind them the
 * first of the late ones, which are in a calendar of their own, or Infinity. A finish is one number,
 * its time × 32 + its replica, so that a search passes few bytes.
 */
class SortedFinishes implements FinishCalendar {
  private readonly finishes = new Float64Array(PLACES);
  private first = 1;
  /** Behind the last. */
  private end = 1;
  private dueUs = Number.POSITIVE_INFINITY;
  private readonly late = new CalendarQueue(REPLICAS);

  constructor() {
    this.finishes[0] = Number.NEGATIVE_INFINITY;
    this.finishes[1] = Number.POSITIVE_INFINITY;
  }

  nextUs(): number {
    return this.dueUs;
  }

  take(): number {
    const { finishes, first } = this;
    if (first === this.end) return this.takeLate();
    // An integer to V8 too, as what is kept as a double is dearer to index with.
    const replica = (finishes[first] - this.dueUs * REPLICAS) | 0;
    finishes[first] = Number.NEGATIVE_INFINITY;
    this.first = first + 1;
    this.dueUs = Math.floor(finishes[first + 1] / REPLICAS);
    return replica;
  }

  add(replica: number, atUs: number): void {
    if (atUs < this.dueUs) this.dueUs = atUs;
    const { finishes } = this;
    if (atUs >= LATE_US) {
      this.late.add(replica, atUs);
      finishes[this.end] = this.late.nextUs() * REPLICAS;
      return;
    }
    if (this.end === PLACES - 1) this.moveToFront();
    let at = this.end;
    this.end = at + 1;
    finishes[at + 1] = finishes[at];
    const start = atUs * REPLICAS;
    // Behind all others of its instant.
    const later = start + REPLICAS;
    let before = finishes[at - 1];
    while (before >= later) {
      finishes[at] = before;
      before = finishes[--at - 1];
    }
    finishes[at] = start + replica;
  }

  private moveToFront(): void {
    const moved = this.first - 1;
    this.finishes.copyWithin(1, this.first, this.end + 1);
    this.first = 1;
    this.end -= moved;
  }

  /** From here on all that comes is late too. */
  private takeLate(): number {
    const replica = this.late.take();
    this.dueUs = this.late.nextUs();
    return replica;
  }
}
