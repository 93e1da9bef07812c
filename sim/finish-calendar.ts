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
  return replicas <= MOST_SORTED ? new SortedFinishes(replicas) : new CalendarQueue(replicas);
}

/** The earliest finish is last. Element 0 lies after every finish, so that a search ends there. */
class SortedFinishes implements FinishCalendar {
  declare private readonly atUs: Float64Array;
  declare private readonly replica: Int32Array;
  private last = 0;

  constructor(replicas: number) {
    this.atUs = new Float64Array(replicas + 1);
    this.atUs[0] = Number.POSITIVE_INFINITY;
    this.replica = new Int32Array(replicas + 1);
  }

  nextUs(): number {
    return this.atUs[this.last];
  }

  take(): number {
    return this.replica[this.last--];
  }

  add(replica: number, atUs: number): void {
    const times = this.atUs;
    const replicas = this.replica;
    let at = this.last + 1;
    this.last = at;
    for (; times[at - 1] <= atUs; at--) {
      times[at] = times[at - 1];
      replicas[at] = replicas[at - 1];
    }
    times[at] = atUs;
    replicas[at] = replica;
  }
}
