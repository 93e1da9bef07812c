/**
 * The instants at which replicas finish. One sorted list holds few replicas: a new finish enters it
 * from the late end, because it is later than most. A calendar queue holds many. Both return equal
 * instants in the order of their entry.
 */
// Hot path: see docs/hot-path.md

export interface FinishCalendar {
  /** The next finish, µs; Infinity when nothing runs. */
  least(): number;
  /** Takes the replica that finishes next; only when one runs. */
  take(): number;
  /** A replica that is not in the calendar finishes at `atUs`. */
  set(replica: number, atUs: number): void;
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

  least(): number {
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

  set(replica: number, atUs: number): void {
    if (atUs < this.dueUs) this.dueUs = atUs;
    const { finishes } = this;
    if (atUs >= LATE_US) {
      this.late.set(replica, atUs);
      finishes[this.end] = this.late.least() * REPLICAS;
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
    this.dueUs = this.late.least();
    return replica;
  }
}

const NONE = -1;
/** Days are counted in 32-bit integers from an epoch that is moved before they overflow. */
const LAST_DAY = 2 ** 30;
/** Entries and empty days passed per take, above which the length of a day is measured anew. */
const MOST_PASSED = 3;
/** Gaps between the next entries that the measurement looks at, and how many fill a day. */
const MEASURED_GAPS = 64;
const GAPS_A_DAY = 2;
const FIRST_CHECK = 64;
const LONGEST_CHECK = 1 << 16;

/**
 * A calendar for many replicas: a ring of days, each with a short sorted list of what is due in it,
 * so that adding and taking cost the same however many there are. An entry more than a year of
 * days ahead shares a day's list with those due this year, behind them.
 * Source: Brown, "Calendar Queues: A Fast O(1) Priority Queue Implementation", CACM 31(10), 1988.
 *
 * The length of a day follows the times: it is measured anew when adding and taking have had to
 * pass too many entries or empty days.
 */
export class CalendarQueue implements FinishCalendar {
  declare private readonly atUs: Float64Array;
  declare private readonly next: Int32Array;
  /** First and last entry of each day's list. */
  declare private readonly first: Int32Array;
  declare private readonly last: Int32Array;
  declare private readonly mask: number;
  private epochUs = 0;
  private daysPerUs = 1e-3;
  private count = 0;
  /** The entry that is due next, −1 if none, when, and on which day. */
  private leastEntry = NONE;
  private leastUs = Number.POSITIVE_INFINITY;
  private today = 0;
  /** Since the last check of the day's length. */
  private passed = 0;
  private takes = 0;
  private passedBefore = 0;
  private checkAfter = FIRST_CHECK;

  constructor(replicas: number) {
    const days = 1 << Math.ceil(Math.log2(Math.max(2, replicas)));
    this.mask = days - 1;
    this.atUs = new Float64Array(replicas);
    this.next = new Int32Array(replicas);
    this.first = new Int32Array(days).fill(NONE);
    this.last = new Int32Array(days).fill(NONE);
  }

  /** Entries and empty days passed so far: the work beside the constant part. */
  get passedInAll(): number {
    return this.passedBefore + this.passed;
  }

  least(): number {
    return this.leastUs;
  }

  take(): number {
    const taken = this.leastEntry;
    const place = this.today & this.mask;
    const after = this.next[taken];
    this.first[place] = after;
    if (after === NONE) this.last[place] = NONE;
    this.count--;
    this.findLeast();
    if (++this.takes === this.checkAfter) this.check();
    return taken;
  }

  set(replica: number, atUs: number): void {
    let day = (atUs - this.epochUs) * this.daysPerUs;
    if (day >= LAST_DAY) {
      this.rebuild(this.daysPerUs, this.count > 0 ? this.leastUs : atUs);
      day = Math.min(LAST_DAY, (atUs - this.epochUs) * this.daysPerUs);
    }
    this.insert(replica, atUs, day | 0);
    this.count++;
    if (atUs < this.leastUs) {
      this.leastEntry = replica;
      this.leastUs = atUs;
      this.today = day | 0;
    }
  }

  /** Days past the last share it: entries there are few, far away, and found by the full search. */
  private dayOf(atUs: number): number {
    const day = (atUs - this.epochUs) * this.daysPerUs;
    return day < LAST_DAY ? day | 0 : LAST_DAY;
  }

  /** Into its day's list, behind what is due at the same instant. */
  private insert(replica: number, atUs: number, day: number): void {
    const times = this.atUs;
    const next = this.next;
    const place = day & this.mask;
    times[replica] = atUs;
    const last = this.last[place];
    if (last === NONE || times[last] <= atUs) {
      next[replica] = NONE;
      this.last[place] = replica;
      if (last === NONE) this.first[place] = replica;
      else next[last] = replica;
      return;
    }
    let before = NONE;
    let after = this.first[place];
    while (times[after] <= atUs) {
      before = after;
      after = next[after];
      this.passed++;
    }
    next[replica] = after;
    if (before === NONE) this.first[place] = replica;
    else next[before] = replica;
  }

  /** The first entry of the first day, from today on, that has one due on that very day. */
  private findLeast(): void {
    if (this.count === 0) {
      this.leastEntry = NONE;
      this.leastUs = Number.POSITIVE_INFINITY;
      return;
    }
    const first = this.first;
    const mask = this.mask;
    const today = this.today;
    for (let day = today; day <= today + mask; day++) {
      const entry = first[day & mask];
      if (entry !== NONE && this.dayOf(this.atUs[entry]) === day) {
        this.passed += day - today;
        this.leastEntry = entry;
        this.leastUs = this.atUs[entry];
        this.today = day;
        return;
      }
    }
    this.passed += mask;
    this.searchAll();
  }

  /** Nothing is due within a year: the earliest of all days' first entries. */
  private searchAll(): void {
    let least = NONE;
    for (const entry of this.first) {
      if (entry !== NONE && (least === NONE || this.atUs[entry] < this.atUs[least])) {
        least = entry;
      }
    }
    this.leastEntry = least;
    this.leastUs = this.atUs[least];
    this.today = this.dayOf(this.leastUs);
  }

  private check(): void {
    const isSlow = this.passed > MOST_PASSED * this.takes;
    if (isSlow && this.count > 1) this.rebuild(this.measuredDaysPerUs(), this.leastUs);
    else this.checkAfter = Math.min(LONGEST_CHECK, 2 * this.checkAfter);
    this.takes = 0;
    this.passedBefore += this.passed;
    this.passed = 0;
  }

  /** From the mean gap between the entries that are due next. */
  private measuredDaysPerUs(): number {
    const times = Float64Array.from(this.entries(), (entry) => this.atUs[entry]).sort();
    const gaps = Math.min(MEASURED_GAPS, times.length - 1);
    const gapUs = (times[gaps] - times[0]) / gaps;
    return 1 / Math.max(1, GAPS_A_DAY * gapUs);
  }

  /** Every entry; those due at the same instant in order of their entry. */
  private entries(): number[] {
    const entries: number[] = [];
    for (const first of this.first) {
      for (let entry = first; entry !== NONE; entry = this.next[entry]) entries.push(entry);
    }
    return entries;
  }

  private rebuild(daysPerUs: number, epochUs: number): void {
    const entries = this.entries();
    this.first.fill(NONE);
    this.last.fill(NONE);
    this.daysPerUs = daysPerUs;
    this.epochUs = epochUs;
    for (const entry of entries) {
      this.insert(entry, this.atUs[entry], this.dayOf(this.atUs[entry]));
    }
    if (this.count > 0) this.today = this.dayOf(this.leastUs);
  }
}
