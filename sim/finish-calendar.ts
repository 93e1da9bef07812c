/**
 * When the replicas finish. Few are kept in one sorted list, which a new finish enters from the
 * early end; many in a calendar. Both give equal instants back in the order of their entry.
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

/**
 * The earliest finish is last. A finish is one number, its time × 32 + its replica, so that a search
 * passes few bytes. Element 0 lies after every finish, so that a search ends there: it is the first
 * of the late ones, which are in a calendar of their own.
 */
class SortedFinishes implements FinishCalendar {
  private readonly finishes = new Float64Array(REPLICAS);
  private last = 0;
  private dueUs = Number.POSITIVE_INFINITY;
  private readonly late = new CalendarQueue(REPLICAS);

  constructor() {
    this.finishes[0] = Number.POSITIVE_INFINITY;
  }

  nextUs(): number {
    return this.dueUs;
  }

  take(): number {
    if (this.last === 0) return this.takeLate();
    const { finishes } = this;
    const at = this.last;
    const replica = finishes[at] - this.dueUs * REPLICAS;
    this.last = at - 1;
    this.dueUs = Math.floor(finishes[at - 1] / REPLICAS);
    return replica;
  }

  add(replica: number, atUs: number): void {
    if (atUs < this.dueUs) this.dueUs = atUs;
    if (atUs >= LATE_US) {
      this.late.add(replica, atUs);
      this.finishes[0] = this.late.nextUs() * REPLICAS;
      return;
    }
    const { finishes } = this;
    const start = atUs * REPLICAS;
    // Behind all others of its instant.
    const end = start + REPLICAS;
    let at = this.last;
    this.last = at + 1;
    let after = finishes[at];
    while (after < end) {
      finishes[at + 1] = after;
      after = finishes[--at];
    }
    finishes[at + 1] = start + replica;
  }

  /** From here on all that comes is late too. */
  private takeLate(): number {
    const replica = this.late.take();
    this.dueUs = this.late.nextUs();
    return replica;
  }
}
