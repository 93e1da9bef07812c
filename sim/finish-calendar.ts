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
/** Times from here on leave no room for a replica beside them in a double; nine years. */
const LATE_US = 2 ** 53 / REPLICAS;

/**
 * The earliest finish is last. A finish is one number, its time × 32 + its replica, so that a search
 * passes few bytes. Element 0 lies after every finish, so that a search ends there: it is the first
 * of the late ones, which are in a calendar of their own.
 */
class SortedFinishes implements FinishCalendar {
  private readonly finishes = new Float64Array(REPLICAS);
  private last = 0;
  private readonly late = new CalendarQueue(REPLICAS);

  constructor() {
    this.finishes[0] = Number.POSITIVE_INFINITY;
  }

  nextUs(): number {
    return Math.floor(this.finishes[this.last] / REPLICAS);
  }

  take(): number {
    if (this.last === 0) return this.takeLate();
    const finish = this.finishes[this.last--];
    return finish - Math.floor(finish / REPLICAS) * REPLICAS;
  }

  add(replica: number, atUs: number): void {
    if (atUs >= LATE_US) {
      this.late.add(replica, atUs);
      this.finishes[0] = this.late.nextUs() * REPLICAS;
      return;
    }
    const { finishes } = this;
    const start = atUs * REPLICAS;
    // Behind all others of its instant.
    const end = start + REPLICAS;
    let at = ++this.last;
    let after = finishes[at - 1];
    while (after < end) {
      finishes[at--] = after;
      after = finishes[at - 1];
    }
    finishes[at] = start + replica;
  }

  private takeLate(): number {
    const replica = this.late.take();
    this.finishes[0] = this.late.nextUs() * REPLICAS;
    return replica;
  }
}
